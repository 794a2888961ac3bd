"""Artifacts: digests, fingerprints, atomic writes, manifests."""

from __future__ import annotations

import json
import math
from contextlib import nullcontext

import pytest

from sensorium.artifacts import (
    ArtifactError,
    atomic_path,
    digest,
    fingerprint,
    read_json,
    read_manifest,
    verified_file,
    write_json,
    write_manifest,
)


@pytest.fixture
def manifest(tmp_path):
    model = tmp_path / "model.safetensors"
    model.write_bytes(b"weights")
    write_manifest(
        tmp_path,
        kind="fusion",
        section_json='{"dim":8}',
        inputs={"data": "ab"},
        files={"model": model},
        details={"steps": 3},
    )
    return tmp_path / "manifest.json"


def test_a_fingerprint_depends_on_each_of_its_parts():
    base = fingerprint("{}", {"data": "a"}, 1)
    others = [
        fingerprint('{"x":1}', {"data": "a"}, 1),
        fingerprint("{}", {"data": "b"}, 1),
        fingerprint("{}", {"data": "a"}, 2),
    ]
    assert fingerprint("{}", {"data": "a"}, 1) == base
    assert len({base, *others}) == 4


def test_the_order_of_inputs_does_not_change_a_fingerprint():
    assert fingerprint("{}", {"a": "1", "b": "2"}, 1) == fingerprint("{}", {"b": "2", "a": "1"}, 1)


def test_a_failed_write_leaves_the_old_file_and_no_trace(tmp_path):
    path = tmp_path / "value.json"
    write_json(path, {"old": 1})

    def write() -> None:
        with atomic_path(path) as temporary:
            temporary.write_text("half")
            raise RuntimeError("power cut")

    with pytest.raises(RuntimeError, match="power cut"):
        write()
    assert read_json(path) == {"old": 1}
    assert [entry.name for entry in tmp_path.iterdir()] == ["value.json"]


def test_json_holds_no_infinity(tmp_path):
    with pytest.raises(ValueError, match="JSON"):
        write_json(tmp_path / "value.json", {"psnr": math.inf})
    assert not list(tmp_path.iterdir())


def test_a_manifest_tells_what_made_it(manifest):
    found = read_manifest(manifest, "fusion")
    assert found["config"] == {"dim": 8}
    assert found["inputs"] == {"data": "ab"}
    assert found["details"] == {"steps": 3}
    assert found["files"]["model"]["sha256"] == digest(manifest.parent / "model.safetensors")
    assert found["packages"]["torch"] != "absent"
    assert verified_file(manifest, found, "model").read_bytes() == b"weights"


def test_another_kind_is_refused(manifest):
    with pytest.raises(ArtifactError, match=r"dynamics.*fusion"):
        read_manifest(manifest, "dynamics")


@pytest.mark.parametrize("content", [b"Weights", b"", b"weights and more"])
def test_a_changed_file_is_refused(manifest, content):
    (manifest.parent / "model.safetensors").write_bytes(content)
    with pytest.raises(ArtifactError, match=r"model\.safetensors.*delete"):
        verified_file(manifest, read_manifest(manifest, "fusion"), "model")


def test_a_missing_file_is_named(manifest):
    (manifest.parent / "model.safetensors").unlink()
    with pytest.raises(ArtifactError, match="not there"):
        verified_file(manifest, read_manifest(manifest, "fusion"), "model")
    with pytest.raises(ArtifactError, match="snakemake"):
        read_json(manifest.parent / "absent.json")


@pytest.mark.parametrize("text", ["", "{", "[1, 2]", '"fusion"', json.dumps({"kind": 3})])
def test_a_broken_manifest_is_refused(manifest, text):
    manifest.write_text(text)
    with pytest.raises(ArtifactError, match="manifest"):
        read_manifest(manifest, "fusion")


@pytest.mark.parametrize(
    ("ranks", "local", "hashed"), [("1", "0", True), ("8", "0", True), ("8", "3", False), ("16", "7", False)]
)
def test_files_are_hashed_once_on_a_machine(manifest, monkeypatch, ranks, local, hashed):
    """Of eight ranks of a training, the first; a LOCAL_RANK that some other program left means nothing."""
    monkeypatch.setenv("WORLD_SIZE", ranks)
    monkeypatch.setenv("LOCAL_RANK", local)
    found = read_manifest(manifest, "fusion")
    (manifest.parent / "model.safetensors").write_bytes(b"Weights")
    with pytest.raises(ArtifactError, match="its content") if hashed else nullcontext():
        verified_file(manifest, found, "model")
    (manifest.parent / "model.safetensors").unlink()
    with pytest.raises(ArtifactError, match="not there"):
        verified_file(manifest, found, "model")


def test_a_process_alone_hashes_whatever_its_surroundings_say(manifest, monkeypatch):
    monkeypatch.setenv("LOCAL_RANK", "3")
    (manifest.parent / "model.safetensors").write_bytes(b"Weights")
    with pytest.raises(ArtifactError, match="its content"):
        verified_file(manifest, read_manifest(manifest, "fusion"), "model")
