"""Every odd input has the verdict that the page says, and costs nothing but itself."""

from __future__ import annotations

import json
from pathlib import Path

import odd_episodes
import odd_inputs
import pytest
from odd_inputs import BOTH, ODD, SIGHT, SOUND

from sensorium.data import collect
from sensorium.data.files import printable
from sensorium.data.verdicts import REASONS

PAGE = Path(__file__).parents[3] / "docs/data.md"


@pytest.mark.parametrize("streams", [SOUND, SIGHT, BOTH], ids="-".join)
def test_each_odd_input_has_its_verdict(tmp_path: Path, streams: tuple[str, ...]) -> None:
    odd = [each for each in ODD if each.streams == streams]
    folder, shard = tmp_path / "files", tmp_path / "set/shard-0000.safetensors"
    odd_inputs.make_all(folder, odd)
    count = max(10, len(odd))
    for number in range(count - len(odd)):
        odd_inputs.film(folder / f"more{number}.mkv")
    section = {"source": "folder", "path": str(folder), "streams": streams, "recordings": count, "shards": 1}
    section |= {"max_bad_fraction": 1, "size": 16}
    collect.main(["--config", json.dumps(section), "--shard", "0", "--output", str(shard)])
    content = json.loads(shard.with_suffix(".json").read_text())
    found = {row["file"]: row["reason"] for row in content["files"]}
    assert {each.what: found[printable(each.name)] for each in odd} == {each.what: each.reason for each in odd}
    assert all(row["verdict"] == REASONS[row["reason"]].verdict for row in content["files"])
    taken = [row["file"] for row in content["files"] if row["verdict"] != "bad"]
    assert len(content["recordings"]) == len(taken) == count - len(content["quarantine"])
    assert all((row["seconds"] > 0) == (row["file"] in taken) for row in content["files"])


@pytest.mark.parametrize("layout", odd_episodes.LAYOUTS)
def test_each_odd_episode_has_its_verdict(tmp_path: Path, layout: str) -> None:
    for package in ("pyarrow", "h5py"):
        pytest.importorskip(package, reason=f"the package {package} is not installed")
    odd = [each for each in odd_episodes.ODD if each.layout == layout]
    shard = tmp_path / "set/shard-0000.safetensors"
    places = odd_episodes.make(tmp_path / "files", layout, odd)
    section = odd_episodes.section(layout, tmp_path / "files", len(odd) + 1)
    collect.main(["--config", json.dumps(section), "--shard", "0", "--output", str(shard)])
    content = json.loads(shard.with_suffix(".json").read_text())
    found = {row["file"]: row for row in content["files"]}
    # a file that cannot be opened has no episodes by name
    places = [place if place in found else place.partition(":")[0] + ":" for place in places]
    details = {each.what: found[place]["detail"] for each, place in zip(odd, places, strict=True)}
    reasons = {each.what: found[place]["reason"] for each, place in zip(odd, places, strict=True)}
    assert reasons == {each.what: each.reason for each in odd}, details
    bad = {place for each, place in zip(odd, places, strict=True) if REASONS[each.reason].verdict == "bad"}
    assert len(content["recordings"]) == len(odd) + 1 - len(bad)
    assert all(found[place]["detail"] or found[place]["reason"] == "constant" for place in bad)


def test_the_page_has_the_table_of_the_list() -> None:
    content = PAGE.read_text()
    assert odd_inputs.page(content) == content, "run: python tests/unit/core/odd_inputs.py"


def test_names_and_descriptions_are_unique() -> None:
    episodes = [f"{each.what}, {each.layout}" for each in odd_episodes.ODD]
    for words in ([each.name for each in ODD], [each.what for each in ODD], episodes):
        assert len(set(words)) == len(words)
