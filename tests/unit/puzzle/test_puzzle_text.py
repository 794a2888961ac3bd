"""The evaluation of text codes: primed ones pass, permuted ones fail every metric."""

from __future__ import annotations

import json
import zlib
from pydoc_data.topics import topics

import numpy as np
import pytest
import torch
from toy_texts import CONFIG, arrays, texts

from sensorium.artifacts import digest, write_manifest
from sensorium.cli import main
from sensorium.config import canonical_json
from sensorium.evaluation.harness import Bench
from sensorium.models.parts import Parts
from sensorium.puzzle import collect_texts, train_puzzle
from sensorium.puzzle.collect_texts import StoredText, read_texts
from sensorium.puzzle.config import LegacyConfig
from sensorium.puzzle.evaluation.text_compressors import compressors, deflated, longest
from sensorium.puzzle.evaluation.text_preset import preset
from sensorium.puzzle.text_codes import KIND, write_arrays
from sensorium.puzzle.text_config import CorpusConfig, PuzzleTextEvaluation
from sensorium.training.execution import Execution

JUDGED = ("exceptions", "atom-identifiers", "comparisons", "customization", "debugger", "typesmapping", "in")
EVALUATION = PuzzleTextEvaluation(pages=8, page_bytes=600, damaged=400)


@pytest.fixture(scope="module")
def artifacts(tmp_path_factory):
    """Manifests of texts and of the codes that were primed on them."""
    folder = tmp_path_factory.mktemp("texts")
    judged = [StoredText("topics", f"topics/{n}", "judged", topics[n].encode()) for n in JUDGED if n in topics]
    every = texts() + judged
    content = np.frombuffer(b"".join(text.content for text in every), np.uint8)
    write_arrays(folder / "texts/texts.safetensors", {"bytes": content})
    listed = [{"group": t.group, "name": t.name, "split": t.split, "bytes": len(t.content)} for t in every]
    write(folder / "texts", collect_texts.KIND, CorpusConfig(), "texts", {}, {"texts": listed})
    write_arrays(folder / "codes/model.safetensors", arrays())
    write(folder / "codes", KIND, CONFIG, "model", {"texts": digest(folder / "texts/manifest.json")}, {})
    return folder


def write(folder, kind, config, name, inputs, details):
    files = {name: next(folder.glob("*.safetensors"))}
    write_manifest(folder, kind=kind, section_json=canonical_json(config), inputs=inputs, files=files, details=details)


def judged(folder, *more: str) -> dict:
    argv = ["puzzle-text", "--config", canonical_json(EVALUATION), "--device", "cpu"]
    argv += [part for name in ("texts", "codes") for part in (f"--{name}", str(folder / name / "manifest.json"))]
    with pytest.raises(SystemExit) as leaving:
        main([*argv, "--output", str(folder / "out.json"), "--figure", str(folder / "out.png"), *more])
    assert not leaving.value.code
    return json.loads((folder / "out.json").read_text())


def test_primed_codes_pass_and_permuted_ones_fail(artifacts):
    found = judged(artifacts)
    metrics = found["metrics"]
    assert set(metrics) >= {"bits_a_byte_documentation", "bytes_a_grid", "repaired", "silent_errors"}
    assert all(metric["passed"] for metric in metrics.values()), {n: m["margin"] for n, m in metrics.items()}
    assert metrics["repaired"]["value"] == 1
    assert metrics["repaired"]["recordings"] > 2
    assert metrics["silent_errors"]["value"] == 0
    floors = {baseline["name"] for baseline in metrics["bits_a_byte_documentation"]["baselines"]}
    assert floors >= {"raw", "gzip", "gzip with a dictionary", "bzip2", "xz", "empty model"}
    control = judged(artifacts, "--untrained-seed", "0")["metrics"]
    assert not [name for name in control if control[name]["passed"]]


def test_compressors_take_what_they_say():
    text, primed = b"some text that is compressed, " * 9, [b"some text that is compressed"]
    sizes = {name: size(text) for name, size in compressors(arrays(), primed).items()}
    assert sizes["raw"] == len(text)
    assert sizes["gzip"] == len(zlib.compress(text, 9)) - 6  # of zlib's header and check sum
    assert sizes["gzip with a dictionary"] < sizes["gzip"]
    rebuilt = zlib.decompressobj(-15, zdict=primed[0])
    packer = zlib.compressobj(9, zlib.DEFLATED, -15, 9, zdict=primed[0])
    assert rebuilt.decompress(packer.compress(text) + packer.flush()) == text


def test_the_longest_beginning_fits_and_no_longer_one_does():
    text = np.random.default_rng(0).bytes(300) + b"a" * 500
    size = longest(text, deflated, 200)
    assert deflated(text[:size]) <= 200 < deflated(text[: size + 1])
    assert longest(text, deflated, 10_000) == len(text)


def test_a_preset_of_earlier_work_learns_and_gives_no_text_back(artifacts, tmp_path):
    """Trained by the command of the maps; it learns how often letters are, and no window of 128 comes back."""
    section = canonical_json(LegacyConfig(training={"steps": 60, "batch": 16, "lr": 3e-3}))
    manifest = artifacts / "texts/manifest.json"
    argv = ["text_legacy", "--config", section, "--data", str(manifest), "--output", str(tmp_path)]
    train_puzzle.main([*argv, "--device", "cpu", "--threads", "1", "--workers", "0"])
    parts = Parts({"puzzle/texts": manifest, "puzzle/text_legacy": tmp_path / "manifest.json"})
    parts.use("puzzle/texts")
    every = read_texts(manifest)
    kept = preset(Bench(torch.device("cpu"), Execution(), parts), every, 0)
    counts = np.bincount(np.frombuffer(b"".join(t.content for t in every if t.split == "judged"), np.uint8))
    shares = counts[counts > 0] / counts.sum()
    assert kept["parameters"] == 76_896
    untrained = min(each["nats_a_character"] for each in kept["untrained"])
    assert untrained > 4
    letters = float(-(shares * np.log(shares)).sum())  # of the texts of the Python that runs this
    assert kept["trained"]["nats_a_character"] < (untrained + letters) / 2
    assert kept["trained"]["windows_of_128"] == 0
    assert 0.1 < kept["most_frequent"] <= kept["trained"]["characters"] + 0.02
