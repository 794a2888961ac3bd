"""A small world that the commands themselves have made, once for all tests of edges that ask for it."""

from __future__ import annotations

import pytest
import torch
from every_program import World

from sensorium.training.learner import Gate


@pytest.fixture(scope="session")
def world(tmp_path_factory: pytest.TempPathFactory) -> World:
    """All artifacts, trained for two steps; their gates are open, for nothing is learned so soon."""
    torch.set_num_threads(1)
    made = World(tmp_path_factory.mktemp("world"))
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(Gate, "passed", property(lambda gate: True))
        made.make()
    return made
