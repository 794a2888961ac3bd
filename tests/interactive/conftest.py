"""Results to dream from, made once."""

from __future__ import annotations

from pathlib import Path

import pytest
from dream_results import open_parts, write_results

from sensorium.interactive.parts import DreamParts


@pytest.fixture(scope="session")
def place(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with results/, of a hand that is steered."""
    return write_results(tmp_path_factory.mktemp("hand"))


@pytest.fixture
def parts(place: Path, monkeypatch: pytest.MonkeyPatch) -> DreamParts:
    """The parts of a dream, opened in that folder."""
    monkeypatch.chdir(place)
    return open_parts()


@pytest.fixture(scope="session")
def loud_place(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The same, where dreams have sound."""
    return write_results(tmp_path_factory.mktemp("loud"), heard=True)


@pytest.fixture
def loud_parts(loud_place: Path, monkeypatch: pytest.MonkeyPatch) -> DreamParts:
    """The parts of a dream, opened in that folder."""
    monkeypatch.chdir(loud_place)
    return open_parts()
