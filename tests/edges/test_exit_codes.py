"""README: "| exit | meaning |": each code is produced for every program that can give it, and never a traceback."""

from __future__ import annotations

import importlib
import os
import re
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from every_program import World, code_of, inputs_of

from sensorium.evaluation.contract import Result
from sensorium.evaluation.statistics import measure
from sensorium.exits import MEANINGS
from sensorium.interactive import play
from sensorium.programs import EVALUATIONS, PROGRAMS, TRAININGS
from sensorium.studies import forgetting
from sensorium.studies.findings import Findings, Table
from sensorium.training.learner import Gate

ROOT = Path(__file__).parents[2]
WRITERS = [name for name in PROGRAMS if name != "play"]
READERS = [name for name in PROGRAMS if inputs_of(name)]
CONFIGURED = [name for name in PROGRAMS if name not in ("summary", "curves", "study-tables", "dream", "play")]


@pytest.fixture(autouse=True)
def quick(monkeypatch: pytest.MonkeyPatch) -> None:
    """Evaluations and studies find at once what they look for; whatever surrounds that is real."""
    found = measure("x", np.ones(4), list("aabb"), floors={"none": 0.0}, ceilings={"all": 1.0})
    result = Result({"x": found}, lambda path: path.write_bytes(b"png"))
    for name in EVALUATIONS:
        module = importlib.import_module(PROGRAMS[name])
        files = {entry.option: lambda path: path.write_bytes(b"") for entry in module.EVALUATION.outputs}
        whole = Result(result.metrics, result.figure, files=files)
        monkeypatch.setattr(module, "judge", lambda bench, config, whole=whole: whole)
    findings = Findings({"x": found}, {}, [Table("t", [{"a": 1}])], log=[{"step": 1}])
    monkeypatch.setattr(forgetting, "run", lambda config: findings)


@pytest.fixture
def said(capfd: pytest.CaptureFixture[str]) -> Iterator[Any]:
    """The last words of a program on stderr; the test fails if there is a traceback among them."""

    def words() -> str:
        printed = capfd.readouterr().err
        assert "Traceback" not in printed, printed
        return printed

    yield words
    assert "Traceback" not in capfd.readouterr().err


def output(folder: Path, name: str) -> Path:
    """Where the result of a program goes."""
    return folder / {"collect": "s.safetensors", "encode-latents": "s.safetensors", "dream": "d.gif"}.get(name, "o")


def test_the_codes_are_those_that_the_documents_list() -> None:
    for page in ("README.md", "docs/architecture.md"):
        text = (ROOT / page).read_text()
        table = text[text.index("| exit | meaning |") :].split("\n\n")[0]
        assert [int(code) for code in re.findall(r"^\| (\d+) \|", table, re.MULTILINE)] == list(MEANINGS), page


@pytest.mark.parametrize("name", [*EVALUATIONS, "summary", "curves", "study", "study-tables", "dream", "index"])
def test_done_is_0(world: World, tmp_path: Path, name: str) -> None:
    """Of trainings, `collect` and `encode-latents`, which made the world, the fixture says so."""
    place = world.folder / "latents/video/again.json" if name == "index" else output(tmp_path, name)
    assert code_of(*world.argv(name, place)) == 0


@pytest.mark.parametrize("name", PROGRAMS)
@pytest.mark.parametrize("argument", ["--no-such-option", "--device=abacus"])
def test_wrong_arguments_are_2(world: World, tmp_path: Path, name: str, argument: str) -> None:
    assert code_of(*world.argv(name, output(tmp_path, name)), argument) == 2


@pytest.mark.parametrize("name", CONFIGURED)
@pytest.mark.parametrize("config", ['{"no_such_key": 1}', "{", "[" * 100_000, "1" * 5000, "null"])
def test_bad_configuration_is_78(world: World, tmp_path: Path, said: Any, name: str, config: str) -> None:
    assert code_of(*world.argv(name, output(tmp_path, name), config=config)) == 78
    assert "config" in said()


def wrong_inputs(world: World, tmp_path: Path, good: Path) -> dict[str, tuple[str, str]]:
    """What stands in the place of a manifest, and what its message must name."""
    contents = {
        "another kind": ('{"kind": "poem"}', "poem"),
        "no object": ("[1]", "list"),
        "broken": ('{"kind": ', "not JSON"),
        "no text": ("\udc80\udcff", "not JSON"),
        "nested": ("[" * 100_000, "not JSON"),
        "a whole number of 5000 digits": ("1" * 5000, "not JSON"),
        "kind alone": (f'{{"kind": "{kind_of(good)}"}}', "files"),
    }
    made = {"missing": (str(tmp_path / "none.json"), "not"), "a folder": (str(tmp_path), "not")}
    made["a device"] = ("/dev/zero", "not")
    for number, (case, (text, named)) in enumerate(contents.items()):
        path = tmp_path / f"{number}.json"
        path.write_bytes(text.encode(errors="surrogateescape"))
        made[case] = (str(path), named)
    return made


def kind_of(manifest: Path) -> str:
    """The kind of a manifest."""
    return re.search(r'"kind": "(\w+)"', manifest.read_text())[1]  # type: ignore[index]


@pytest.mark.parametrize("name", READERS)
def test_an_input_that_is_not_what_it_should_be_is_65(world: World, tmp_path: Path, said: Any, name: str) -> None:
    for option, place in inputs_of(name).items():
        for case, (path, named) in wrong_inputs(world, tmp_path, world.manifest(place)).items():
            assert code_of(*world.argv(name, output(tmp_path / "out", name), **{option: path})) == 65, (option, case)
            words = said()
            assert path in words, (option, case)
            assert named in words, (option, case)
    assert not (tmp_path / "out").exists()


@pytest.mark.parametrize(("name", "option"), [("summary", "evaluations"), ("study-tables", "results"), ("index", "shards")])
def test_a_result_or_list_that_is_not_what_it_should_be_is_65(
    world: World, tmp_path: Path, said: Any, name: str, option: str
) -> None:
    for case, (path, _) in wrong_inputs(world, tmp_path, world.manifest("data")).items():
        argv = world.argv(name, tmp_path / "out", **{option: path})
        if name == "index":
            argv = world.with_options(argv, {"output": str(Path(path).parent / "manifest.json")})
        assert code_of(*argv) == 65, case
        assert path in said()


def hindrances(tmp_path: Path) -> dict[str, tuple[Path, str]]:
    """A folder in which nothing can be written, and the way out that the message must name."""
    (tmp_path / "file").write_text("")
    return {
        "its parent is a file": (tmp_path / "file", "correct the path"),
        "its parent's parent is a file": (tmp_path / "file" / "deeper", "correct the path"),
        "too long": (tmp_path / ("n" * 300), "a shorter path"),
        "no file system for files": (Path("/proc/sensorium"), "run the same command again"),
    }


@pytest.mark.parametrize("name", [name for name in WRITERS if name != "study-tables"])
def test_a_place_that_cannot_be_written_is_74(world: World, tmp_path: Path, said: Any, name: str) -> None:
    for case, (folder, way_out) in hindrances(tmp_path).items():
        if name == "index":
            shards = [str(world.folder / "latents/video/shard-0000.json")]
            assert code_of(*world.argv(name, Path(shards[0]).parent / ("n" * 300))) in (0, 74), case
            continue
        assert code_of(*world.argv(name, output(folder, name))) == 74, case
        words = said()
        assert str(folder) in words, case
        assert way_out in words, case
        assert "run the same command again" in words, case
