"""README: "| exit | meaning |": each code is produced for every program that can give it, and never a traceback."""

from __future__ import annotations

import errno
import importlib
import json
import os
import random
import re
import resource
import socket
import subprocess
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from every_program import World, code_of, inputs_of

from sensorium.artifacts import atomic_path
from sensorium.evaluation.contract import Result
from sensorium.evaluation.statistics import NOTHING, measure
from sensorium.exits import MEANINGS
from sensorium.programs import EVALUATIONS, PLANNING, PROGRAMS, TRAININGS
from sensorium.puzzle import collect_texts, train_puzzle_text
from sensorium.puzzle.texts import FoundText
from sensorium.studies import forgetting
from sensorium.studies.findings import Findings, Table
from sensorium.training.learner import Gate
from sensorium.training.lock import sole_owner

ROOT = Path(__file__).parents[2]
MAKERS = [name for name in PROGRAMS if name not in PLANNING]  # those of planning write nothing: see below
WRITERS = [name for name in MAKERS if name != "play"]
READERS = [name for name in MAKERS if inputs_of(name)]
CONFIGURED = [
    name
    for name in MAKERS
    if name not in ("summary", "curves", "study-tables", "dream", "play", "puzzle", "continue")
    and name not in ("encode-sound", "decode-sound")
]

TEXTS = [FoundText("own", f"own/{place}", random.Random(place).randbytes(30_000), place == 0) for place in range(24)]
PRIMED: dict[str, Any] = {}


def primed_once(config: Any, texts: Any, prime: Any = train_puzzle_text.prime) -> Any:
    """Text codes, primed for the first program that asks."""
    if not PRIMED:
        PRIMED.update(prime(config, texts))
    return PRIMED


@pytest.fixture(autouse=True)
def quick(monkeypatch: pytest.MonkeyPatch) -> None:
    """Evaluations and studies find at once what they look for; whatever surrounds that is real."""
    found = measure("x", np.ones(4), list("aabb"), fitted_on=NOTHING, baselines={"none": 0.0}, ceilings={"all": 1.0})

    def write(path: Path) -> None:
        with atomic_path(path) as temporary:
            temporary.write_bytes(b"some")

    for name in EVALUATIONS:
        module = importlib.import_module(PROGRAMS[name])
        result = Result({"x": found}, write, files={entry.option: write for entry in module.EVALUATION.outputs})
        monkeypatch.setattr(module, "judge", lambda bench, config, result=result: result)
    monkeypatch.setattr(collect_texts, "sources", lambda config: TEXTS)
    monkeypatch.setattr(train_puzzle_text, "prime", primed_once)
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
    assert code_of(*world.argv(name, output(tmp_path, name))) == 0


@pytest.mark.parametrize("name", MAKERS)
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
        "no object": ("[1]", ""),
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
    return str(json.loads(manifest.read_text())["kind"])


@pytest.mark.parametrize("name", READERS)
def test_an_input_that_is_not_what_it_should_be_is_65(world: World, tmp_path: Path, said: Any, name: str) -> None:
    for option, place in inputs_of(name, optional=True).items():
        good = world.manifest(place if world.manifest(place).exists() else "data")  # a labelled set is made like it
        for case, (path, named) in wrong_inputs(world, tmp_path, good).items():
            assert code_of(*world.argv(name, output(tmp_path / "out", name), **{option: path})) == 65, (option, case)
            words = said()
            assert path in words, (option, case)
            assert named in words, (option, case)
    assert not (tmp_path / "out").exists() or name == "index"  # which writes beside what it reads


@pytest.mark.parametrize(
    ("name", "option"), [("summary", "evaluations"), ("study-tables", "results"), ("index", "shards")]
)
def test_a_result_or_list_that_is_not_what_it_should_be_is_65(
    world: World, tmp_path: Path, said: Any, name: str, option: str
) -> None:
    for case, (path, _) in wrong_inputs(world, tmp_path, world.manifest("data")).items():
        argv = world.argv(name, tmp_path / "out" / "o", **{option: path})
        if name == "index":
            argv = world.with_options(argv, {"output": str(Path(path).parent / "manifest.json")})
        assert code_of(*argv) == 65, case
        assert path in said()


@pytest.mark.parametrize("name", READERS)
@pytest.mark.parametrize("case", ["unreadable", "too long"])
def test_an_input_that_cannot_be_read_is_74(
    world: World, tmp_path: Path, said: Any, monkeypatch: pytest.MonkeyPatch, name: str, case: str
) -> None:
    """The superuser may read everything, so the system's answer is put into its mouth."""
    real = Path.read_bytes

    def read(path: Path) -> bytes:
        if path.name == "unreadable.json":
            raise PermissionError(errno.EACCES, "Permission denied", str(path))
        return real(path)

    monkeypatch.setattr(Path, "read_bytes", read)
    (tmp_path / "unreadable.json").write_text("{}")
    path = str(tmp_path / ("n" * 300 if case == "too long" else "unreadable.json"))
    option = next(iter(inputs_of(name)))
    assert code_of(*world.argv(name, output(tmp_path / "out", name), **{option: path})) == 74
    assert path in said()


def hindered(world: World, name: str, folder: Path) -> list[str]:
    """The command of a program whose result goes into a folder; of `index`, which writes beside its input, to it."""
    if name in ("index", "study-tables"):
        argv = world.argv(name, folder.parent / "o" / "o")
        place = folder / "manifest.json" if name == "index" else folder
        return world.with_options(argv, {"output" if name == "index" else "docs": str(place)})
    return world.argv(name, output(folder, name))


@pytest.mark.parametrize("name", [name for name in WRITERS if name not in ("index", "study-tables")])
def test_a_place_that_cannot_be_written_is_74(world: World, tmp_path: Path, said: Any, name: str) -> None:
    (tmp_path / "file").write_text("")
    for folder, way_out in (
        (tmp_path / "file", "correct the path|something else stands there"),
        (tmp_path / "file" / "deeper", "correct the path"),
        (tmp_path / ("n" * 300), "a shorter path"),
        (Path("/proc/sensorium"), "."),
    ):
        assert code_of(*hindered(world, name, folder)) == 74, folder
        words = said()
        assert str(folder) in words, words
        assert re.search(f"{way_out}.*then run the same command again", words), words


@pytest.mark.parametrize("name", ["index", "study-tables", *EVALUATIONS, "summary", "curves", "study", "dream"])
def test_a_folder_where_the_result_belongs_is_74(world: World, tmp_path: Path, said: Any, name: str) -> None:
    place = (
        tmp_path / "o" / {"index": "manifest.json", "dream": "d.gif", "study-tables": "studies/x.json"}.get(name, "o")
    )
    (place / "in the way").mkdir(parents=True)
    argv = world.argv(name, tmp_path / "o" if name == "study-tables" else place.parent / place.name)
    assert code_of(*argv) == 74
    assert "correct the path" in said()


@pytest.fixture
def disk(tmp_path: Path) -> Iterator[Path]:
    """A file system of its own, or the test is skipped: only the superuser may mount one."""
    place = tmp_path / "disk"
    place.mkdir()
    command = ["mount", "-t", "tmpfs", "-o", "size=1M", "sensorium", str(place)]
    if subprocess.run(command, capture_output=True, check=False).returncode:
        pytest.skip("no file system can be mounted here")
    yield place
    subprocess.run(["umount", "-l", str(place)], check=True)


def fill(disk: Path) -> None:
    """Leave no byte."""
    with (disk / "filler").open("wb", buffering=0) as file, suppress(OSError):
        while True:
            file.write(bytes(4096))


def remount(disk: Path, options: str) -> None:
    """Change what a file system allows."""
    subprocess.run(["mount", "-o", f"remount,{options}", str(disk)], check=True)


@pytest.mark.parametrize("name", WRITERS)
def test_a_disk_that_is_full_or_read_only_is_74(world: World, disk: Path, said: Any, name: str) -> None:
    """Full, without an inode, read-only: one after the other."""
    argv = world.argv(name, disk / "results" / output(disk, name).name)
    if name in ("index", "study-tables"):  # what they read lies where they write
        assert (disk / "results").is_dir()
    for case, way_out in (
        ("full", "free space"),
        ("no inode", "free space"),
        ("read-only", "make the folder writable"),
    ):
        if case == "full":
            fill(disk)
        else:
            (disk / "filler").unlink(missing_ok=True)
            remount(disk, "ro" if case == "read-only" else f"nr_inodes={used_inodes(disk)}")
        assert code_of(*argv) == 74, case
        words = said()
        assert str(disk) in words, words
        assert way_out in words, words


@pytest.mark.parametrize("kilobytes", [8, 24, 64, 256])
def test_a_disk_that_fills_in_the_middle_of_a_training_is_74_and_the_same_command_goes_on(
    world: World, disk: Path, said: Any, kilobytes: int
) -> None:
    """In its records, or in the first or the second checkpoint."""
    argv = [*world.argv("train-tokenizer", disk / "out"), "--checkpoint-minutes", "0"]
    remount(disk, f"size={kilobytes}k")
    assert code_of(*argv) == 74
    words = said()
    assert str(disk) in words
    assert "free space" in words
    assert not list((disk / "out").rglob("*.tmp"))
    remount(disk, "size=16M")
    assert code_of(*argv) in (0, 70)  # nothing is learned so soon


def used_inodes(disk: Path) -> int:
    """How many a file system holds."""
    found = os.statvfs(disk)
    return found.f_files - found.f_ffree


@pytest.mark.parametrize("name", WRITERS)
def test_too_many_open_files_are_74(world: World, tmp_path: Path, said: Any, name: str) -> None:
    argv = world.argv(name, output(tmp_path, name))
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (3, hard))
    try:
        assert code_of(*argv) == 74
    finally:
        resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))
    assert "ulimit -n" in said()


@pytest.mark.parametrize("name", TRAININGS)
def test_a_training_that_stops_early_is_75_and_one_that_collapsed_is_70(
    world: World, tmp_path: Path, said: Any, monkeypatch: pytest.MonkeyPatch, name: str
) -> None:
    argv = world.argv(name, tmp_path / "out")
    assert code_of(*argv, "--max-minutes", "0.0001") == 75
    assert "run the same command again" in said()
    monkeypatch.setattr(Gate, "passed", property(lambda gate: False))
    assert code_of(*argv) == 70
    assert "gate" in said()
    assert not (tmp_path / "out/manifest.json").exists()


@pytest.mark.parametrize("name", EVALUATIONS)
def test_a_score_that_is_no_number_is_70(
    world: World, tmp_path: Path, said: Any, monkeypatch: pytest.MonkeyPatch, name: str
) -> None:
    def judge(bench: Any, config: Any) -> Result:
        measure(
            "accuracy",
            np.full(4, np.nan),
            list("aabb"),
            fitted_on=NOTHING,
            baselines={"none": 0.0},
            ceilings={"all": 1.0},
        )
        raise AssertionError

    monkeypatch.setattr(importlib.import_module(PROGRAMS[name]), "judge", judge)
    assert code_of(*world.argv(name, output(tmp_path, name))) == 70
    assert "accuracy" in said()


@pytest.mark.parametrize("name", TRAININGS)
def test_a_second_training_in_the_same_folder_is_74(world: World, tmp_path: Path, said: Any, name: str) -> None:
    argv = world.argv(name, tmp_path / "out")
    assert code_of(*argv, "--max-minutes", "0.0001") == 75
    (folder,) = (tmp_path / "out/runs").iterdir()
    said()
    with sole_owner(folder):
        assert code_of(*argv) == 74
    assert f"process {os.getpid()}" in said()


def test_play_refuses_a_port_that_is_taken_with_2(world: World, tmp_path: Path, said: Any) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = str(taken.getsockname()[1])
        assert code_of(*world.argv("play", tmp_path / "o", port=port)) == 2
    assert port in said()


@pytest.mark.parametrize("text", [None, "data: [", "data: {recordings: -1}", "5", "\0", "no_such_key: 1"])
def test_a_configuration_that_cannot_be_estimated_is_78(tmp_path: Path, said: Any, text: str | None) -> None:
    path = tmp_path / "wrong.yaml"
    if text is not None:
        path.write_text(text)
    assert code_of("estimate", str(path)) == 78
    said()


@pytest.mark.parametrize("name", PLANNING)
def test_wrong_arguments_of_planning_are_2(name: str) -> None:
    assert code_of(name, "--no-such-option") == 2
