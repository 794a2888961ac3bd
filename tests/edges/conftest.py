"""A small world that the commands themselves have made, once for all tests of edges that ask for it."""

from __future__ import annotations

import shutil
from collections.abc import Callable
from pathlib import Path

import pytest
import torch
from every_program import World

from sensorium.training.learner import Gate


@pytest.fixture(scope="session")
def every_artifact(tmp_path_factory: pytest.TempPathFactory) -> World:
    """All artifacts, trained for two steps; their gates are open, for nothing is learned so soon."""
    torch.set_num_threads(1)
    made = World(tmp_path_factory.mktemp("world"))
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(Gate, "passed", property(lambda gate: True))
        made.make()
    return made


@pytest.fixture(scope="session")
def world(every_artifact: World) -> World:
    """Its short name, which is that of another world in the unit tests."""
    return every_artifact


@pytest.fixture
def copied(world: World, tmp_path: Path) -> Callable[[str], Path]:
    """Copy an artifact, without its runs, to a folder where it may be broken; its manifest."""

    def copy_of(place: str) -> Path:
        target = tmp_path / place
        shutil.copytree(world.folder / place, target, ignore=shutil.ignore_patterns("runs"))
        return target / "manifest.json"

    return copy_of
