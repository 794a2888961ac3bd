"""`sensorium puzzle`: what is written comes back, and what is refused is named with its way out."""

from __future__ import annotations

import numpy as np
import pytest
from PIL import Image
from toy_texts import CONFIG, UNSEEN, arrays, codes

from sensorium.artifacts import ArtifactError, write_manifest
from sensorium.cli import main
from sensorium.config import canonical_json
from sensorium.puzzle.grid import PACKED, as_text, read_grids, write_grids
from sensorium.puzzle.text_codes import KIND, TextCodes, write_arrays


@pytest.fixture
def model(tmp_path):
    """Manifest of the toy's artifact, in a folder that is the current one."""
    folder = tmp_path / "results/puzzle/text"
    write_arrays(folder / "model.safetensors", arrays())
    section = canonical_json(CONFIG)
    files = {"model": folder / "model.safetensors"}
    write_manifest(folder, kind=KIND, section_json=section, inputs={}, files=files, details={})
    return folder / "manifest.json"


def run(*argv: object) -> int:
    with pytest.raises(SystemExit) as leaving:
        main(["puzzle", *map(str, argv)])
    return int(leaving.value.code or 0)


@pytest.mark.parametrize("options", [[], ["--layout", "legible"], ["--model", "none"]])
def test_a_text_comes_back_from_its_file_of_grids(model, tmp_path, monkeypatch, options, capsys):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "note.txt").write_bytes(UNSEEN[:1500])
    assert run("encode", "note.txt", "-o", "note.grid", *options) == 0
    assert (tmp_path / "note.grid").stat().st_size % PACKED == 0
    assert run("decode", "note.grid", "-o", "again.txt") == 0
    assert (tmp_path / "again.txt").read_bytes() == UNSEEN[:1500]
    assert "exactly as written" in capsys.readouterr().out


def test_a_grid_is_shown_as_digits_that_can_be_pasted_and_as_a_picture(model, tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    write_grids(tmp_path / "note.grid", codes().encode(UNSEEN[:500]))
    assert run("show", "note.grid", "-o", "note.png") == 0
    printed = capsys.readouterr().out
    assert as_text(read_grids(tmp_path / "note.grid")[0]) in printed
    assert Image.open(tmp_path / "note.png").size[0] > 500
    digits = "\n".join(line for line in printed.splitlines() if len(line) == 30 and line.isdigit())
    (tmp_path / "pasted.txt").write_text(digits)
    assert run("decode", "pasted.txt", "-o", "again.txt") == 0
    assert (tmp_path / "again.txt").read_bytes() == UNSEEN[:500]


def test_without_an_artifact_the_way_out_is_named(tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "note.txt").write_bytes(b"abc")
    assert run("encode", "note.txt", "-o", "note.grid") == 65
    assert "snakemake --profile local -j1 results/puzzle/text/manifest.json" in capsys.readouterr().err
    assert run("encode", "note.txt", "-o", "note.grid", "--model", "none", "--layout", "legible") == 65
    assert "the words of an artifact" in capsys.readouterr().err


def test_what_is_no_text_and_what_is_no_grid_is_named(model, tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "sound.bin").write_bytes(b"abc")
    assert run("encode", "sound.bin", "-o", "out.grid") == 65
    assert "--sense text" in capsys.readouterr().err
    assert run("encode", "sound.bin", "-o", "out.grid", "--sense", "text") == 0
    assert run("decode", "sound.bin", "-o", "out") == 65
    assert "expected a multiple of 374" in capsys.readouterr().err
    assert run("decode", "nothing.grid", "-o", "out") == 74
    write_grids(tmp_path / "random.grid", [np.random.default_rng(0).integers(0, 10, (30, 30), np.uint8)])
    assert run("decode", "random.grid", "-o", "out") == 65
    assert not (tmp_path / "out").exists()
    assert run("show", "random.grid", "-o", "out.png") == 0


@pytest.mark.parametrize(
    ("name", "value", "fault"),
    [
        ("merges", np.zeros((744, 2), np.uint8), "merges is uint8"),
        ("merges", np.full((744, 2), 999, np.uint16), "word 256 is made of 999"),
        ("lengths", np.full(1000, 3, np.uint8), "no full tree"),
        ("counters", np.zeros(1000, np.uint16), "power of two"),
        ("page_odds", np.zeros((5, 3, 63), np.int16), "page_odds"),
        ("node_odds", None, "node_odds is missing"),
    ],
)
def test_arrays_that_are_no_text_codes_are_named(model, name, value, fault):
    path = model.with_name("model.safetensors")
    changed = {key: array for key, array in {**arrays(), name: value}.items() if array is not None}
    write_arrays(path, changed)
    with pytest.raises(ArtifactError, match=fault):
        TextCodes.of_file(path)


def test_an_artifact_that_was_changed_is_refused(model):
    write_arrays(model.with_name("model.safetensors"), {**arrays(), "counters": arrays()["counters"] ^ np.uint16(1)})
    with pytest.raises(ArtifactError, match="sha256"):
        TextCodes.load(model)
