"""Artifacts on disk: digests, fingerprints, manifests and atomic writes.

Nothing here is ever unpickled, and this module never imports torch.
"""

from __future__ import annotations

import hashlib
import json
import os
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any

MANIFEST = "manifest.json"
RECORDED_PACKAGES = ("torch", "numpy", "safetensors", "pymunk", "ale-py")


class ArtifactError(Exception):
    """An input that does not match its manifest: the message names the file and the way out (exit 65)."""

    exit_code = 65


def digest(path: Path) -> str:
    """SHA-256 of a file's content, in hexadecimal."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def fingerprint(section_json: str, input_digests: Mapping[str, str], revision: int) -> str:
    """Address of a run: equal exactly if settings, inputs and the stage's REVISION are equal."""
    record = json.dumps([section_json, dict(input_digests), revision], sort_keys=True)
    return hashlib.sha256(record.encode()).hexdigest()[:16]


@contextmanager
def atomic_path(path: Path) -> Iterator[Path]:
    """Yield a temporary path next to `path`; on success the file is synced to disk and renamed to `path`.

    The file gets the permissions of any new file there, whoever wrote it: safetensors writes its files with mode 0600,
    and then nobody else of a group could read a model.
    A failure removes the temporary file and leaves whatever stood at `path` untouched.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    temporary = path.with_name(f".{path.name}.{os.getpid()}.tmp")
    mode = _mode_of_new_files(temporary)
    try:
        yield temporary
        if temporary.stat().st_mode & 0o777 != mode:
            temporary.chmod(mode)
        sync(temporary)
        os.replace(temporary, path)
        sync(path.parent)
    finally:
        temporary.unlink(missing_ok=True)


def _mode_of_new_files(path: Path) -> int:
    """Permissions of a new file at `path`, by the umask and the folder's own defaults; leaves nothing there.

    Python can read the umask only by setting it, which all threads of a process would notice.
    """
    path.unlink(missing_ok=True)
    path.touch()
    try:
        return path.stat().st_mode & 0o777
    finally:
        path.unlink()


def sync(path: Path) -> None:
    """Flush a file's content, or a folder's list of names, to disk."""
    handle = os.open(path, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)


def write_json(path: Path, value: Any) -> None:
    """Write JSON atomically.

    Raises:
        ValueError: if a number is NaN or infinite, because JSON has neither.
    """
    text = json.dumps(value, indent=1, sort_keys=True, allow_nan=False)
    with atomic_path(path) as temporary:
        temporary.write_text(text + "\n")


def read_json(path: Path) -> Any:
    """Read JSON.

    Raises:
        ArtifactError: if the file is missing or is not JSON.
    """
    try:
        return json.loads(path.read_text())
    except FileNotFoundError:
        raise ArtifactError(f"{path}: not found; make it with: snakemake --profile local -j1 {path}") from None
    except (json.JSONDecodeError, UnicodeDecodeError) as error:
        raise ArtifactError(f"{path}: not JSON ({error}); delete it and run the same command again") from None


def write_manifest(
    folder: Path,
    *,
    kind: str,
    section_json: str,
    inputs: Mapping[str, str],
    files: Mapping[str, Path],
    details: Mapping[str, Any],
) -> None:
    """Describe an artifact: its kind, the settings and inputs that made it, and the digests of its files.

    Args:
        folder: where `manifest.json` goes.
        kind: the stage's name.
        section_json: canonical JSON of the section that made it.
        inputs: name of each input manifest -> digest of that manifest.
        files: name of each file -> its path, inside `folder`.
        details: further JSON values that a reader of the artifact needs.
    """
    write_json(
        folder / MANIFEST,
        {
            "kind": kind,
            "config": json.loads(section_json),
            "inputs": dict(inputs),
            "files": {
                name: {"path": str(path.relative_to(folder)), "sha256": digest(path), "bytes": path.stat().st_size}
                for name, path in files.items()
            },
            "details": dict(details),
            "packages": {name: _version(name) for name in ("sensorium", *RECORDED_PACKAGES)},
        },
    )


def _version(package: str) -> str:
    try:
        return version(package)
    except PackageNotFoundError:
        return "absent"


def read_manifest(path: Path, kind: str) -> dict[str, Any]:
    """Read a manifest and check its kind.

    Raises:
        ArtifactError: if it is missing, not JSON, or of another kind.
    """
    manifest = read_json(path)
    if not isinstance(manifest, dict) or manifest.get("kind") != kind:
        found = manifest.get("kind") if isinstance(manifest, dict) else type(manifest).__name__
        raise ArtifactError(f"{path}: expected the manifest of a {kind!r}, found {found!r}")
    return manifest


def verified_file(manifest_path: Path, manifest: Mapping[str, Any], name: str) -> Path:
    """Path of one file of an artifact, after a check of its digest.

    Of the ranks of a training, the first one of each machine checks. The others read the file before that is done, but
    their first exchange waits for the first one; if the check fails there, all are stopped.

    Raises:
        ArtifactError: if the file is missing or its digest differs from the manifest's.
    """
    entry = manifest["files"][name]
    path = manifest_path.parent / entry["path"]
    if not path.exists():
        raise ArtifactError(f"{path}: named in {manifest_path} but not there; delete the manifest and run again")
    found = digest(path) if _checks_for_this_machine() else entry["sha256"]
    if found != entry["sha256"]:
        raise ArtifactError(
            f"{path}: its content is not what {manifest_path} says (sha256 {found[:12]}, expected "
            f"{entry['sha256'][:12]}); delete {path} and run the same command again"
        )
    return path


def _checks_for_this_machine() -> bool:
    """Whether this process is alone, or the first of the ranks that torchrun started on this machine."""
    return os.environ.get("WORLD_SIZE", "1") == "1" or os.environ.get("LOCAL_RANK", "0") == "0"
