"""Whatever a file, a folder or a setting is called, the shell that runs a job reads it as one word."""

from __future__ import annotations

import os
import shlex
import subprocess
from collections import UserDict
from pathlib import Path

import pytest
from snakemake_interface_common.settings import SettingsEnumBase
from snakemake_interface_executor_plugins import utils
from snakemake_interface_executor_plugins.utils import format_cli_arg

from snakemake_executor_plugin_submitit.quoting import MOST_ARGUMENTS, quoted_by_shlex, wait_for_files
from snakemake_executor_plugin_submitit.resources import ResourceError, sbatch_options

NAMES = [
    "plain", "dog's$(touch PWNED)", "'a'$(touch PWNED)", '"b"`touch PWNED`', "back\\slash", "new\nline", "car\rriage",
    "both'\"quotes", "-dash", "--force", "semi;touch PWNED", "$HOME", "tab\there", "glob*?[x]", "~", "#hash", "éü",
    "a|b>c&d", "\\'$(touch PWNED)'", "{a}", "!!", "%d", " ends ", "\udcff",
]  # fmt: skip


def as_read_by_bash(arguments: str, folder: Path) -> list[str]:
    """The words that a program gets from a line of bash."""
    command = ["bash", "-c", f"printf '%s\\0' {arguments}"]
    printed = subprocess.run(command, cwd=folder, capture_output=True, check=True).stdout
    return [os.fsdecode(word) for word in printed.split(b"\0")[:-1]]


@pytest.mark.parametrize("value", [NAMES, tuple(Path(name) for name in NAMES), UserDict({"key": NAMES[1]})])
def test_every_name_is_one_word(value: object, tmp_path: Path) -> None:
    with quoted_by_shlex():
        arguments = format_cli_arg("--flag", value)
    expected = [f"key={NAMES[1]}"] if isinstance(value, UserDict) else NAMES
    assert as_read_by_bash(arguments, tmp_path) == ["--flag", *expected]
    assert not list(tmp_path.iterdir())


def test_without_it_a_name_runs(tmp_path: Path) -> None:
    """What is mended; if this fails, Snakemake's interface quotes by itself."""
    as_read_by_bash(format_cli_arg("--flag", NAMES[1:3]), tmp_path)
    assert (tmp_path / "PWNED").exists()


def test_other_values_are_written_as_the_interface_writes_them() -> None:
    class Choice(SettingsEnumBase):
        SOME_CHOICE = 1

    for value in (3, 0.5, Choice.SOME_CHOICE, [Choice.SOME_CHOICE], [1, 2], True, False, None, [], ["a=1", "b"]):
        with quoted_by_shlex():
            ours = format_cli_arg("--flag", value)
        assert shlex.split(ours) == shlex.split(format_cli_arg("--flag", value))
    with quoted_by_shlex():
        assert format_cli_arg("--flag", ["a b"], base64_encode=True) == f"--flag {utils.encode_as_base64('a b')}"


def test_the_interface_is_as_before_afterwards() -> None:
    before = utils.format_cli_pos_arg
    with pytest.raises(ValueError, match="inside"), quoted_by_shlex():
        raise ValueError("inside")
    assert utils.format_cli_pos_arg is before


@pytest.mark.parametrize("repeated", [1, MOST_ARGUMENTS])
def test_files_to_wait_for_keep_their_names(repeated: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    names = NAMES[:MOST_ARGUMENTS] if repeated == 1 else NAMES * repeated
    list_file = tmp_path / "a list's $(touch PWNED)"
    flags = {"--wait-for-files", "--wait-for-files-file", str(list_file)}
    words = as_read_by_bash(wait_for_files(names, list_file), tmp_path)
    lines = list_file.read_text().split("\n")[:-1] if list_file.exists() else []
    assert all(line == line.strip() for line in lines), "Snakemake reads them so"
    assert {*words, *lines} - flags == {str(tmp_path / name) for name in names}
    assert list_file.exists() == (len(names) > MOST_ARGUMENTS)
    assert not (tmp_path / "PWNED").exists()
    assert wait_for_files([], list_file) == ""


@pytest.mark.parametrize("resource", ["slurm_partition", "constraint", "qos"])
def test_a_resource_of_several_lines_is_refused(resource: str) -> None:
    with pytest.raises(ResourceError, match="one line of text"):
        sbatch_options("r", {resource: "gpu\ntouch PWNED"}, 1)
    with pytest.raises(ResourceError, match="one line of text"):
        sbatch_options("r", {"slurm_extra": "--mail-user='a\nPWNED'"}, 1)
