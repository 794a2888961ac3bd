"""Whatever is in a file, its reader ends with what it documents: no crash, no traceback, no hang, no lost gigabytes."""

from __future__ import annotations

import json
import random
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from damage import damaged, damaged_json
from fuzzed_readers import READERS

FUZZ = Path(__file__).with_name("fuzz.py")
MEGABYTES = 400  # resident


def fuzz(*arguments: str) -> dict[str, Any]:
    done = subprocess.run(
        [sys.executable, str(FUZZ), "--json", *arguments], capture_output=True, text=True, check=False, timeout=850
    )
    assert done.stdout, done.stderr[-2000:]
    results: dict[str, Any] = json.loads(done.stdout)
    return results


@pytest.fixture(scope="module")
def results() -> dict[str, Any]:
    return fuzz()


@pytest.mark.parametrize("name", READERS)
def test_damaged_files_are_read_or_refused(name: str, results: dict[str, Any]) -> None:
    outcome = results[name]
    assert not outcome["found"], "\n".join(outcome["found"])
    assert outcome["cases"] == READERS[name].cases
    assert outcome["read"], "all were refused, so little of the reader was tried"
    assert outcome["refused"] or not READERS[name].raises
    assert outcome["megabytes"] < MEGABYTES


@pytest.mark.slow
@pytest.mark.parametrize("name", READERS)
def test_many_more(name: str) -> None:
    (outcome,) = fuzz("--reader", name, "--seconds", "60", "--seed", "1").values()
    assert not outcome["found"], "\n".join(outcome["found"])
    assert outcome["megabytes"] < MEGABYTES


def test_a_case_can_be_repeated() -> None:
    valid, other = bytes(range(256)) * 4, bytes(1000)
    first, again = (damaged(valid, other, random.Random("pictures 0 7")) for _ in range(2))
    assert first == again != valid
    texts = {damaged_json('{"a": [1, 2], "b": {"c": "d"}}', random.Random(f"x {case}")) for case in range(50)}
    assert len(texts) > 20
