"""Weights, shards and recordings that disagree with their manifests, or with the models that are to take them."""

from __future__ import annotations

import errno
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from every_program import MODELS, World, code_of
from safetensors.torch import load_file, save_file

from sensorium.artifacts import ArtifactError, digest
from sensorium.data.recording import RecordingSet, read_shard, write_shard
from sensorium.models.load import load


def first(weights: dict[str, Any]) -> str:
    """A weight of several numbers."""
    return next(name for name, tensor in weights.items() if tensor.is_floating_point() and tensor.numel() > 1)


WEIGHTS: dict[str, Callable[[torch.Tensor], torch.Tensor]] = {
    "int8": lambda tensor: tensor.to(torch.int8),
    "bool": lambda tensor: tensor > 0,
    "float64": lambda tensor: tensor.double(),
    "float16": lambda tensor: tensor.half(),
    "bfloat16": lambda tensor: tensor.bfloat16(),
    "complex64": lambda tensor: tensor.to(torch.complex64),
    "NaN": lambda tensor: tensor.clone().fill_(torch.nan),
    "one infinity": lambda tensor: torch.cat([tensor.flatten()[1:], torch.tensor([torch.inf])]).view(tensor.shape),
    "another shape": lambda tensor: tensor[..., :-1].contiguous(),
    "another rank": lambda tensor: tensor[None],
    "nothing": lambda tensor: tensor.flatten()[:0],
}


def rewrite(manifest: Path, weights: dict[str, torch.Tensor] | bytes) -> None:
    """Other weights, with their digest in the manifest."""
    content, path = json.loads(manifest.read_text()), manifest.with_name("model.safetensors")
    if isinstance(weights, bytes):
        path.write_bytes(weights)
    else:
        save_file(weights, path)
    content["files"]["model"] |= {"sha256": digest(path), "bytes": path.stat().st_size}
    manifest.write_text(json.dumps(content))


@pytest.mark.parametrize("untrained", [None, 1])
@pytest.mark.parametrize("place", ["encoders/vision", "dynamics"])
def test_weights_that_are_not_the_model_s(copied: Callable[[str], Path], place: str, untrained: int | None) -> None:
    manifest = copied(place)
    good = load_file(manifest.with_name("model.safetensors"))
    name = first(good)
    wrong: dict[str, Any] = {case: {**good, name: change(good[name])} for case, change in WEIGHTS.items()}
    wrong["missing"] = {key: value for key, value in good.items() if key != name}
    wrong["surplus"] = {**good, "surplus": torch.zeros(1)}
    wrong["no safetensors"] = b"PK\3\4 and so on"
    wrong["empty"] = b""
    wrong["cut"] = manifest.with_name("model.safetensors").read_bytes()[:-8]
    for case, weights in wrong.items():
        rewrite(manifest, weights)
        with pytest.raises(ArtifactError) as error:
            load(MODELS[place], manifest, untrained)
        assert "model.safetensors" in str(error.value), case
        assert isinstance(weights, bytes) or name in str(error.value) or "surplus" in str(error.value), case
    rewrite(manifest, good)
    load(MODELS[place], manifest, untrained)


def change_shard(manifest: Path, change: Callable[[dict[str, dict[str, np.ndarray]]], object]) -> None:
    """Other recordings in a shard, with their digest in the manifest."""
    shard = manifest.with_name("shard-0000.safetensors")
    held = {
        name: {field: array.copy() for field, array in fields.items()} for name, fields in read_shard(shard).items()
    }
    change(held)
    write_shard(shard, held)
    content = json.loads(manifest.read_text())
    content["files"]["shard-0000"]["sha256"] = digest(shard)
    manifest.write_text(json.dumps(content))


NAME = "playroom-000003"
SHARDS: dict[str, Callable[[Any], object]] = {
    "a recording less": lambda held: held.pop(NAME),
    "a recording more": lambda held: held.update({"other": held[NAME]}),
    "a frame less": lambda held: held[NAME].update(video=held[NAME]["video"][:-1]),
    "a sample more": lambda held: held[NAME].update(audio=np.append(held[NAME]["audio"], np.int16(0))),
    "a larger picture": lambda held: held[NAME].update(video=np.repeat(held[NAME]["video"], 2, axis=1)),
    "sound in floats": lambda held: held[NAME].update(audio=held[NAME]["audio"].astype(np.float32)),
    "actions of another size": lambda held: held[NAME].update(action=held[NAME]["action"][:, :1]),
    "choices for numbers": lambda held: held[NAME].update(action=held[NAME]["action"][:, 0].astype(np.int64)),
    "a body of another size": lambda held: held[NAME].update(body=held[NAME]["body"][:, :1]),
    "a reward less": lambda held: held[NAME].update(reward=held[NAME]["reward"][1:]),
    "a state less": lambda held: held[NAME].update({"truth.state": held[NAME]["truth.state"][:, 1:]}),
    "a label less": lambda held: held[NAME].update({"truth.audio_label": held[NAME]["truth.audio_label"][1:]}),
}


@pytest.mark.parametrize("case", SHARDS)
def test_a_shard_that_disagrees_with_its_manifest(copied: Callable[[str], Path], case: str) -> None:
    manifest = copied("data")
    change_shard(manifest, SHARDS[case])
    with pytest.raises(ArtifactError, match=r"manifest\.json.*(lists|recording).*make them again"):
        RecordingSet.open(manifest)


@pytest.mark.parametrize(
    ("case", "named"),
    [
        ("frames", "clock mismatch"),
        ("split", "was drawn for"),
        ("twice", "listed twice"),
        ("shard", "is not in 'other'"),
    ],
)
def test_a_manifest_that_disagrees_with_its_shard(copied: Callable[[str], Path], case: str, named: str) -> None:
    manifest = copied("data")
    content = json.loads(manifest.read_text())
    entry = content["details"]["recordings"][3]
    if case == "frames":
        entry["frames"] -= 1
    elif case == "split":
        entry["split"] = "test" if entry["split"] != "test" else "training"
    elif case == "shard":
        entry["shard"] = "other"
    else:
        content["details"]["recordings"].append(entry)
    manifest.write_text(json.dumps(content))
    with pytest.raises(ArtifactError, match=named):
        RecordingSet.open(manifest)


MEASURED = [
    ("train-fusion", "size", 48),
    ("train-state-dynamics", "sample_rate", 8000),
    ("encode-latents", "size", 8),
    ("probe", "size", 64),
    ("finetune", "samples_per_frame", 500),
    ("retrieval", "sample_rate", 44100),
]


@pytest.mark.parametrize(("name", "measure", "value"), MEASURED)
def test_recordings_that_a_model_cannot_take(
    world: World, copied: Callable[[str], Path], capfd: pytest.CaptureFixture[str], name: str, measure: str, value: int
) -> None:
    """Of another size or rate than the model was trained with: named before any tensor is of the wrong shape."""
    manifest = copied("data")
    content = json.loads(manifest.read_text())
    content["details"][measure] = value
    manifest.write_text(json.dumps(content))

    def change(recordings: dict[str, dict[str, np.ndarray]]) -> None:
        for fields in recordings.values():
            if measure == "size":
                fields["video"] = np.zeros((32, value, value, 3), np.uint8)
            elif measure == "samples_per_frame":
                fields["audio"] = np.zeros(32 * value, np.int16)

    change_shard(manifest, change)
    assert code_of(*world.argv(name, manifest.parent / "out", data=str(manifest))) == 65
    said = capfd.readouterr().err
    assert measure in said
    assert str(value) in said


STATES: list[Any] = [
    {"skips": None},
    {"skips": {"total": "x", "consecutive": 0}},
    {"micro_batch": 0},
    {"device": 3},
    {"verdict": []},
    {"verdict": {"metrics": {}, "gates": [{"name": "x"}]}},
    {"verdict": {"metrics": {"loss": "much"}, "gates": []}},
    "no values",
]


@pytest.mark.parametrize("change", STATES, ids=str)
def test_a_checkpoint_whose_state_is_none(
    world: World, tmp_path: Path, capfd: pytest.CaptureFixture[str], change: Any
) -> None:
    """With every digest right."""
    argv = world.argv("train-state-dynamics", tmp_path / "out")
    assert code_of(*argv, "--max-minutes", "0.0001") == 75
    (state,) = (tmp_path / "out/runs").glob("*/checkpoints/*/state.json")
    content = json.loads(state.read_text())
    content["values"] = {} if change == "no values" else content["values"] | change
    state.write_text(json.dumps(content))
    capfd.readouterr()
    assert code_of(*argv) == 65
    assert str(state) in capfd.readouterr().err


def test_a_checkpoint_that_cannot_be_read_now_is_74_and_stays(
    world: World, tmp_path: Path, capfd: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """A stale handle is no damage: to begin anew would delete what was trained."""
    argv = world.argv("train-state-dynamics", tmp_path / "out")
    assert code_of(*argv, "--max-minutes", "0.0001") == 75
    (tensors,) = (tmp_path / "out/runs").glob("*/checkpoints/*/tensors.safetensors")
    real = Path.open

    def stale(path: Path, *how: Any, **more: Any) -> Any:
        if path == tensors:
            raise OSError(errno.ESTALE, "Stale file handle", str(path))
        return real(path, *how, **more)

    with monkeypatch.context() as patch:
        patch.setattr(Path, "open", stale)
        assert code_of(*argv) == 74
    said = capfd.readouterr().err
    assert str(tensors) in said
    assert "mount the file system anew" in said
    assert code_of(*argv) in (0, 70)
    assert "steps 1 to 2" in capfd.readouterr().err
