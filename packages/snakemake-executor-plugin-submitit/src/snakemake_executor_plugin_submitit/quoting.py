"""Arguments of the nested Snakemake, quoted for the shell that runs it.

Snakemake's interface quotes by Python's repr(). Text with an apostrophe then stands in double quotes, in which the
shell runs `$(...)`, and text that begins with a quotation mark is not quoted at all. Names of files, of folders and of
wildcards come from users, so here every argument is quoted by shlex.
"""

from __future__ import annotations

import os
import shlex
from collections import UserDict
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from snakemake_interface_common.settings import SettingsEnumBase
from snakemake_interface_executor_plugins import utils

MOST_ARGUMENTS = 20  # files that a command names itself


@contextmanager
def quoted_by_shlex() -> Iterator[None]:
    """A context in which every argument that Snakemake's interface puts into a command is quoted by shlex."""
    before = utils.format_cli_pos_arg
    utils.format_cli_pos_arg = _arguments
    try:
        yield
    finally:
        utils.format_cli_pos_arg = before


def _arguments(value: Any, quote: bool = True, base64_encode: bool = False) -> str:
    """One or more arguments of a command, as a shell reads them; the signature is that of the interface."""
    if isinstance(value, dict | UserDict):
        texts = [f"{key}={_text(each)}" for key, each in value.items()]
    elif isinstance(value, str | Path | SettingsEnumBase) or not isinstance(value, Iterable):
        texts = [_text(value)]
    else:
        texts = [_text(each) for each in value]
    return shlex.join(utils.encode_as_base64(text) if base64_encode else text for text in texts)


def _text(value: Any) -> str:
    return value.item_to_choice() if isinstance(value, SettingsEnumBase) else str(value)


def wait_for_files(files: Iterable[str], list_file: Path) -> str:
    """The arguments that make Snakemake wait for files; many are written to a file, because a command has a limit.

    Args:
        files: their paths. They become absolute ones, because one that begins with a dash would be taken for an option.
        list_file: where many of them are written, one a line.
    """
    paths = [os.path.abspath(file) for file in files]
    if len(paths) <= MOST_ARGUMENTS:
        return f"--wait-for-files {shlex.join(paths)}" if paths else ""
    list_file.write_text("".join(f"{path}\n" for path in paths if _survives(path)), encoding="utf-8")
    others = [path for path in paths if not _survives(path)]
    arguments = f"--wait-for-files-file {shlex.quote(str(list_file))}"
    return f"{arguments} --wait-for-files {shlex.join(others)}" if others else arguments


def _survives(path: str) -> bool:
    """Whether a path survives as a line of text, which is read without the spaces at its ends."""
    return path.isprintable() and path == path.strip()
