"""Worlds to dream of, made once."""

from __future__ import annotations

from pathlib import Path

import pytest
from dream_world import open_world, write_world

from sensorium.interactive.world import World


@pytest.fixture(scope="session")
def place(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with results/, of a hand that is steered."""
    return write_world(tmp_path_factory.mktemp("hand"))


@pytest.fixture
def world(place: Path, monkeypatch: pytest.MonkeyPatch) -> World:
    """That world, seen from its folder."""
    monkeypatch.chdir(place)
    return open_world()


@pytest.fixture(scope="session")
def loud_place(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The same, where dreams have sound."""
    return write_world(tmp_path_factory.mktemp("loud"), heard=True)


@pytest.fixture
def loud_world(loud_place: Path, monkeypatch: pytest.MonkeyPatch) -> World:
    """That world, seen from its folder."""
    monkeypatch.chdir(loud_place)
    return open_world()
