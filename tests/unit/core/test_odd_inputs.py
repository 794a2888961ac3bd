"""Every odd input has the verdict that the page says, and costs nothing but itself."""

from __future__ import annotations

import json
from pathlib import Path

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


def test_the_page_has_the_table_of_the_list() -> None:
    content = PAGE.read_text()
    assert odd_inputs.page(content) == content, "run: python tests/unit/core/odd_inputs.py"


def test_names_and_descriptions_are_unique() -> None:
    for words in ([each.name for each in ODD], [each.what for each in ODD]):
        assert len(set(words)) == len(words)
