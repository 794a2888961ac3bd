"""Manifests, lists, results and weights that are not what they should be: an ArtifactError (exit 65), or no harm.

A mutation changes one place of a good artifact. The digests that the artifact itself records are made right again, so
that no digest stands in for a check.
"""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from every_program import MODELS, World, code_of

from sensorium.artifacts import ArtifactError
from sensorium.config import ConfigurationError
from sensorium.data.index import index
from sensorium.data.recording import RecordingSet
from sensorium.data.windows import Windows
from sensorium.evaluation.summary import merge, records_of
from sensorium.evaluation.table import table
from sensorium.models.load import load
from sensorium.perception.encoders import VisionEncoder
from sensorium.studies.study_tables import with_table

WRONG: tuple[Any, ...] = (None, True, -1, 0, 1.5, 2**70, "", "x", "../x", [], [[]], {}, {"a": {}}, float("nan"))
READ_BY = {  # artifact -> a program that reads it, and by which option
    "data": ("train-encoder", "data"),
    "latents/video": ("train-dynamics", "latents"),
    "encoders/vision": ("train-fusion", "vision"),
    "fusion": ("finetune", "fusion"),
    "tokenizers/video": ("encode-latents", "tokenizer"),
    "dynamics": ("train-clone", "dynamics"),
    "clone": ("train-agent", "clone"),
}
MUTATED = ("encoders/vision", "fusion", "state_dynamics", "tokenizers/video", "dynamics", "clone")
STRUCTURE = ("kind", "config", "inputs", "files", "details")
A_PLACE = 1  # wrong values that are tried in each place


def places_of(content: Any, path: tuple[Any, ...] = ()) -> Iterator[tuple[Any, ...]]:
    """The place of each value in some JSON; of a list, only of its first and its last entry."""
    if path:
        yield path
    if isinstance(content, dict):
        for key in content:
            yield from places_of(content[key], (*path, key))
    elif isinstance(content, list) and content:
        for number in {0, len(content) - 1}:
            yield from places_of(content[number], (*path, number))


def mutations(text: str) -> Iterator[tuple[str, str]]:
    """What was done, and the JSON then: each value replaced by some wrong ones, and left out."""
    for number, path in enumerate(places_of(json.loads(text))):
        if path[0] == "packages":  # for people
            continue
        for turn in range(A_PLACE + 1):
            content = json.loads(text)
            parent = content
            for step in path[:-1]:
                parent = parent[step]
            if turn == A_PLACE:
                del parent[path[-1]]
                yield f"without {path}", json.dumps(content)
            else:
                wrong = WRONG[(number * A_PLACE + turn) % len(WRONG)]
                parent[path[-1]] = wrong
                yield f"{path} = {wrong!r}", json.dumps(content)


def refused(read: Callable[[], object]) -> bool:
    """Whether a reader raises the documented error; any other is the test's."""
    try:
        read()
    except ArtifactError as error:
        if not any(way_out in str(error) for way_out in ("again", "pass one")):
            raise AssertionError("no way out") from error
        return True
    return False


@pytest.mark.parametrize("place", MUTATED)
def test_a_model_with_a_mutated_manifest(copied: Callable[[str], Path], place: str) -> None:
    manifest = copied(place)
    good, tried, stopped = manifest.read_text(), 0, 0
    for what, text in mutations(good):
        manifest.write_text(text)
        try:
            stopped += refused(lambda: load(MODELS[place], manifest))
        except Exception as error:
            raise AssertionError(f"{place}: {what}") from error
        tried += 1
    assert tried >= 80
    assert stopped >= 0.4 * tried  # the others change what loading does not read: the training's settings, its metrics


def use(manifest: Path) -> None:
    """Read all of a set."""
    recordings = RecordingSet.open(manifest)
    for split in ("training", "validation", "test"):
        for field in ("video", "audio", "latent", "action"):
            if recordings.has(field):
                try:
                    windows = Windows(recordings, split, (field,), 2)  # type: ignore[arg-type]
                except ConfigurationError:  # no recording is left in this split
                    continue
                windows.batch(np.arange(min(4, len(windows))))


@pytest.mark.parametrize("place", ["data", "latents/video", "latents/audio"])
def test_a_set_with_a_mutated_manifest(copied: Callable[[str], Path], place: str) -> None:
    manifest = copied(place)
    good, tried, stopped = manifest.read_text(), 0, 0
    for what, text in mutations(good):
        manifest.write_text(text)
        try:
            stopped += refused(lambda: use(manifest))
        except Exception as error:
            raise AssertionError(f"{place}: {what}") from error
        tried += 1
    assert tried >= 80
    assert stopped >= 0.4 * tried


@pytest.mark.parametrize("like", [False, True], ids=["recordings", "latents"])
def test_a_shard_with_a_mutated_list(world: World, copied: Callable[[str], Path], like: bool) -> None:
    manifest = copied("latents/video" if like else "data")
    section = world.config.latents if like else world.config.data
    shard_list = manifest.with_name("shard-0000.json")
    for what, text in mutations(shard_list.read_text()):
        shard_list.write_text(text)
        try:
            refused(lambda: index(section, [shard_list], manifest, world.manifest("data") if like else None))
        except Exception as error:
            raise AssertionError(what) from error


@pytest.mark.parametrize("kind", ["evaluation", "study"])
def test_a_mutated_result(world: World, tmp_path: Path, kind: str) -> None:
    path = world.result() if kind == "evaluation" else world.study()
    mutated, page = tmp_path / "r.json", "<!-- study: x -->\n<!-- end of study: x -->"

    def read() -> None:
        if kind == "evaluation":
            table(records_of(merge([mutated])["evaluations"]))
        else:
            from sensorium.artifacts import read_checked
            from sensorium.studies.findings import StudyResult

            with_table(page, read_checked(mutated, StudyResult))

    for what, text in mutations(path.read_text()):
        mutated.write_text(text)
        try:
            refused(read)
        except Exception as error:
            raise AssertionError(what) from error


@pytest.mark.parametrize("place", READ_BY)
def test_the_programs_exit_with_65(
    world: World, copied: Callable[[str], Path], capfd: pytest.CaptureFixture[str], place: str
) -> None:
    manifest = copied(place)
    good = json.loads(manifest.read_text())
    name, option = READ_BY[place]
    argv = world.argv(name, manifest.parent / "out", **{option: str(manifest)})
    for key in STRUCTURE:
        for content in (
            {**good, key: None},
            {**good, key: [1]},
            {**good, key: "x"},
            {k: good[k] for k in good if k != key},
        ):
            manifest.write_text(json.dumps(content))
            assert code_of(*argv) == 65, (key, content.get(key))
            said = capfd.readouterr().err
            assert str(manifest) in said
            assert "Traceback" not in said
    assert not (manifest.parent / "out").exists()


@pytest.mark.parametrize("path", ["/etc/passwd", "../copy/model.safetensors", "a/../../x", "", ".", "x\0y", "n" * 300])
def test_a_file_outside_of_its_folder(copied: Callable[[str], Path], path: str) -> None:
    manifest = copied("encoders/vision")
    content = json.loads(manifest.read_text())
    content["files"]["model"]["path"] = path
    manifest.write_text(json.dumps(content))
    with pytest.raises((ArtifactError, OSError)) as error:
        load(VisionEncoder, manifest)
    assert isinstance(error.value, ArtifactError) or len(path) == 300


@pytest.mark.parametrize("line", ["5", '{"step": "3"}', '{"step": 1, "train/loss": "x"}', "[" * 9999])
def test_a_line_of_metrics_that_is_no_record(
    world: World, tmp_path: Path, capfd: pytest.CaptureFixture[str], line: str
) -> None:
    """`curves` names it; a training that goes on drops it, like the line that a kill has cut."""
    argv = world.argv("train-encoder", tmp_path / "out")
    assert code_of(*argv, "--max-minutes", "0.0001") == 75
    (metrics,) = (tmp_path / "out/runs").glob("*/metrics.jsonl")
    metrics.write_text(f"{line}\n{metrics.read_text()}")
    assert code_of(*argv) in (0, 70)
    shutil.copytree(world.folder / "encoders/vision", tmp_path / "copy")
    (records,) = (tmp_path / "copy/runs").glob("*/metrics.jsonl")
    kept = records.read_text().count("\n")
    assert metrics.read_text().count("\n") == kept
    records.write_text(f"{records.read_text()}{line}\n")
    capfd.readouterr()
    drawn = ("--manifests", str(tmp_path / "copy/manifest.json"), "--output", str(tmp_path / "c.png"))
    assert code_of("curves", *drawn) == 65
    assert f"line {kept + 1} is no record" in capfd.readouterr().err
