"""Artifacts on disk: digests, fingerprints, manifests and atomic writes.

Nothing here is ever unpickled, and this module never imports torch.
"""

from __future__ import annotations

import errno
import hashlib
import json
import os
import re
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path, PurePosixPath
from typing import Any

from pydantic import BaseModel, ConfigDict, ValidationError, field_validator

from sensorium.exits import writing
from sensorium.scratch import mode_of_new_files, scratch_folder

MANIFEST = "manifest.json"
MAKE_AGAIN = "delete it and make it again with: snakemake --profile local -j1"
SHOWN = 3  # faults that a message names
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
    """Yield a temporary path; on success the file there is synced to disk and renamed to `path`.

    The file gets the permissions of any new file there, whoever wrote it: safetensors writes its files with mode 0600,
    and then nobody else of a group could read a model.
    A failure leaves nothing but whatever stood at `path`. What a killed writer leaves is removed at the next write.

    Raises:
        StorageError: naming `path`, if it cannot be written.
    """
    with writing(path), _replacing(path) as temporary:
        yield temporary


@contextmanager
def _replacing(path: Path) -> Iterator[Path]:
    path.parent.mkdir(parents=True, exist_ok=True)
    with scratch_folder(path) as folder:
        temporary = folder / path.name
        yield temporary
        mode = mode_of_new_files(folder)
        if temporary.stat().st_mode & 0o777 != mode:
            temporary.chmod(mode)
        sync(temporary)
        os.replace(temporary, path)
        sync(path.parent)


def sync(path: Path) -> None:
    """Flush a file's content, or a folder's list of names, to disk."""
    handle = os.open(path, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)


def no_links(path: str, flags: int) -> int:
    """An `opener` for `open` that writes to the file of this name alone: a link there may lead to any file of the user.

    Raises:
        FileExistsError: if a link stands there.
    """
    try:
        return os.open(path, flags | os.O_NOFOLLOW, 0o666)
    except OSError as error:
        if error.errno == errno.ELOOP and os.path.islink(path):
            raise FileExistsError(errno.EEXIST, "a link, through which nothing is written", path) from None
        raise


def write_json(path: Path, value: Any) -> None:
    """Write JSON atomically.

    Raises:
        ValueError: if a number is NaN or infinite, because JSON has neither.
    """
    text = json.dumps(value, indent=1, sort_keys=True, allow_nan=False)
    with atomic_path(path) as temporary:
        temporary.write_text(text + "\n")


class Record(dict[str, Any]):
    """A JSON object that was read from a file: a key that it lacks is a fault of the file."""

    def __init__(self, values: Mapping[str, Any], path: Path) -> None:
        super().__init__(values)
        self._path = path

    def __missing__(self, key: str) -> Any:
        raise ArtifactError(f"{self._path}: lacks {key!r}; {MAKE_AGAIN}")

    def __reduce__(self) -> tuple[Any, ...]:
        return dict, (dict(self),)


class Stored(BaseModel):
    """What a JSON file must hold at least; nothing is converted, and further keys are allowed."""

    model_config = ConfigDict(strict=True, extra="allow", allow_inf_nan=False)


class StoredFile(Stored):
    """A file of an artifact; its path is relative to the manifest's folder and leads nowhere else."""

    path: str
    sha256: str
    bytes: int

    @field_validator("path")
    @classmethod
    def _stays_inside(cls, path: str) -> str:
        pure = PurePosixPath(path)
        if pure.is_absolute() or ".." in pure.parts or not pure.parts or "\0" in path:
            raise ValueError("no path inside the manifest's folder")
        return path


class Manifest(Stored):
    """What every manifest holds."""

    kind: str
    config: dict[str, Any]
    inputs: dict[str, str]
    files: dict[str, StoredFile]
    details: dict[str, Any]


def read_json(path: Path) -> Any:
    """Read JSON; its objects are `Record`s.

    Raises:
        ArtifactError: if the file is missing, is no file, or is not JSON.
    """
    if not path.is_file():
        what = "not a file" if path.exists() else "not found"
        raise ArtifactError(f"{path}: {what}; make it with: snakemake --profile local -j1 {path}")
    try:
        return json.loads(path.read_bytes(), object_hook=lambda values: Record(values, path))
    except (ValueError, RecursionError) as error:  # also not text, or a number of thousands of digits
        raise ArtifactError(f"{path}: not JSON ({error}); delete it and run the same command again") from None


def read_checked(path: Path, model: type[Stored]) -> dict[str, Any]:
    """Read a JSON object and check that it holds what `model` says.

    Raises:
        ArtifactError: if it cannot be read as JSON, or naming each fault by its place and value.
    """
    return checked(path, read_json(path), model)


def checked(path: Path, values: Any, model: type[Stored]) -> dict[str, Any]:
    """Return what stands in the file `path` unchanged, if it holds what `model` says.

    Raises:
        ArtifactError: naming the first faults by place and value.
    """
    try:
        model.model_validate(values)
    except ValidationError as error:
        faults = error.errors()
        named = [f"{'.'.join(map(str, f['loc'])) or 'top level'} = {f['input']!r:.80}: {f['msg']}" for f in faults]
        more = f"; and {len(named) - SHOWN} more" if len(named) > SHOWN else ""
        what = re.sub(r"(?<!^)(?=[A-Z])", " ", model.__name__).lower()
        raise ArtifactError(f"{path}: no {what}: {'; '.join(named[:SHOWN])}{more}; {MAKE_AGAIN}") from None
    found: dict[str, Any] = values
    return found


def record_of(line: str) -> dict[str, Any] | None:
    """A line of metrics.jsonl: {"step": int, name: number or null, ...}; None for any other text."""
    try:
        record = json.loads(line)
    except (ValueError, RecursionError):
        return None
    if not isinstance(record, dict) or type(record.get("step")) is not int:
        return None
    numbers = all(value is None or type(value) in (int, float) for value in record.values())
    return record if numbers else None


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


def read_manifest(path: Path, kind: str | None = None) -> dict[str, Any]:
    """Read a manifest and check what it holds, and its kind if one is given.

    Raises:
        ArtifactError: if it is missing, not a manifest, or of another kind.
    """
    content = read_json(path)
    found = content.get("kind") if isinstance(content, dict) else type(content).__name__
    if kind is not None and found != kind:
        raise ArtifactError(f"{path}: expected the manifest of a {kind!r}, found {found!r}; pass one of that kind")
    return checked(path, content, Manifest)


def verified_file(manifest_path: Path, manifest: Mapping[str, Any], name: str) -> Path:
    """Path of one file of an artifact, after a check of its digest.

    Of the ranks of a training, the first one of each machine checks. The others read the file before that is done, but
    their first exchange waits for the first one; if the check fails there, all are stopped.

    Raises:
        ArtifactError: if the file is missing or its digest differs from the manifest's.
    """
    entry = manifest["files"][name]
    path = manifest_path.parent / entry["path"]
    if not path.is_file():
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
