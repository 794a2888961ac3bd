"""docs/how-to-add.md, word by word: its blocks go where they say, and what they add runs in the DAG."""

from __future__ import annotations

import json
import re
import shutil
from collections.abc import Callable
from pathlib import Path
from subprocess import CompletedProcess

import pytest

PAGE = Path(__file__).parents[2] / "docs/how-to-add.md"
BLOCK = re.compile(
    r"^(?:File: `(?P<file>[^`]+)`|In: `(?P<into>[^`]+)`, (?P<where>before|after) `(?P<line>[^`]+)`)\n\n"
    r"```\w+\n(?P<text>.*?)```$",
    re.MULTILINE | re.DOTALL,
)


def add(page: str, folder: Path) -> int:
    """Put the blocks of the page where they say; returns how many."""
    blocks = list(BLOCK.finditer(page))
    for block in blocks:
        if block["file"]:
            path = folder / block["file"]
            assert not path.exists(), f"{path} exists already"
            path.write_text(block["text"])
            continue
        path, quoted = folder / block["into"], block["line"].replace("\n", " ")
        lines = path.read_text().splitlines(keepends=True)
        places = [number for number, line in enumerate(lines) if line.rstrip("\n") == quoted]
        assert len(places) == 1, f"{path} has the line {quoted!r} {len(places)} times"
        place = places[0] + (block["where"] == "after")
        path.write_text("".join([*lines[:place], block["text"], *lines[place:]]))
    return len(blocks)


def test_what_the_page_adds_runs(
    tiny: Path, tmp_path: Path, command: Callable[..., CompletedProcess[str]], warm_sensorium: Path
) -> None:
    """On results that are there: what is added is made from them, and they are not made again."""
    folder = Path(shutil.copytree(tiny, tmp_path / "sensorium", symlinks=True))
    assert add(PAGE.read_text(), folder) == PAGE.read_text().count("\n```") // 2
    exported = command(folder, "python", "-m", "sensorium.config_export")
    assert exported.returncode == 0, exported.stdout
    assert "brightness" in (folder / "config/config.yaml").read_text()
    targets = re.findall(
        r"^    snakemake --profile local -j1 (\S+) --configfile (?:config/convolutional\.yaml )?config/tiny\.yaml$",
        PAGE.read_text(),
        flags=re.MULTILINE,
    )
    assert len(targets) == 2
    learned = ("config/convolutional.yaml", "config/tiny.yaml")  # other tokenizers lose nothing, so none is judged
    words = ("snakemake", "--profile", "local", "-j1", *targets, "--configfile", *learned)
    done = command(folder, *words, path=warm_sensorium)
    assert done.returncode == 0, done.stdout
    made = done.stdout.partition("Job stats:")[2].partition("total")[0]
    assert set(re.findall(r"^(\w+) +\d+$", made, flags=re.MULTILINE)) == {
        "train_tokenizer",
        "brightness",
        "train_mean_picture",
    }
    metric = json.loads((folder / "results/eval/brightness.json").read_text())["metrics"]["error"]
    assert metric["value"] < metric["floor"]
    assert json.loads((folder / "results/mean_picture/manifest.json").read_text())["kind"] == "mean_picture"
    everything = command(folder, *"snakemake -n --forceall --configfile config/tiny.yaml".split())
    assert re.search(r"^brightness\s+1$", everything.stdout, flags=re.MULTILINE), everything.stdout
    assert re.search(r"^train_mean_picture\s+1$", everything.stdout, flags=re.MULTILINE), everything.stdout


def test_a_page_that_quotes_a_line_that_is_gone_is_noticed(tmp_path: Path) -> None:
    (tmp_path / "file.py").write_text("a = 1\n")
    page = "In: `file.py`, after `{}`\n\n```python\nb = 2\n```\n"
    with pytest.raises(AssertionError, match="0 times"):
        add(page.format("c = 3"), tmp_path)
    add(page.format("a = 1"), tmp_path)
    assert (tmp_path / "file.py").read_text() == "a = 1\nb = 2\n"
