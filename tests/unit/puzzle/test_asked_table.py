"""The table of what was asked of puzzle codes, made of results."""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import Any

import pytest

sys.path.insert(0, str(Path(__file__).parents[3] / "benchmarks"))
import puzzle_codes


def sound(error: float) -> dict[str, Any]:
    return {"metrics": {}, "error": error, "training_error": error / 1.2, "order": {"codes": 0.97}}


def results(folder: Path, records: dict[str, dict[str, Any]], words: bool) -> Path:
    (folder / "eval").mkdir(parents=True)
    if words:
        (folder / "data/puzzle_sound").mkdir(parents=True)
    for name, record in records.items():
        (folder / f"eval/{name}.json").write_text(json.dumps(record))
    return folder


def test_words_and_sounds_of_the_playroom_have_rows_of_their_own(tmp_path: Path) -> None:
    saved = {"metrics": {f"saved_{sense}": {"margin": {"low": 3.0}} for sense in ("sound", "sight", "text")}}
    room = results(
        tmp_path / "a", {"puzzle_sound": sound(9e-4), "puzzle_common": saved, "puzzle_next": {"ratio": 0.8}}, False
    )
    words = [results(tmp_path / str(seed), {"puzzle_sound": sound(4e-4 + seed * 1e-5)}, True) for seed in range(3)]
    text, good = puzzle_codes.table([puzzle_codes.read(folder) for folder in (room, *words)])
    assert not good
    rows = dict(line.split(" | ", 1) for line in text.splitlines() if " | " in line)
    assert rows["| words, map: squared error"] == "<= 0.0005 | 0.0004, 0.00041, 0.00042 | yes |"
    assert rows["| sounds of the playroom, map: squared error"] == "<= 0.0005 | 0.0009 | **no** |"
    assert rows["| next grid: bits, of those of counted persistence"] == "<= 0.75 | 0.8 | **no** |"
    assert rows["| common space, text: bits saved beyond the best baseline, at least"] == ">= 0 | 3 | yes |"
    assert not any(row.startswith("| sight") for row in rows)


@pytest.mark.parametrize("ask", puzzle_codes.ASKS, ids=lambda ask: ask.what)
def test_a_bound_is_met_on_its_own_side(ask: Any) -> None:
    assert ask.met(ask.bound)
    assert ask.met(ask.bound + 1) == ask.least
