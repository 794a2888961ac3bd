"""A world to evaluate in, trained once for all tests that need it."""

from __future__ import annotations

import pytest
import torch
from toy_world import ToyWorld


@pytest.fixture(scope="session")
def world(tmp_path_factory: pytest.TempPathFactory) -> ToyWorld:
    """Recordings and models that were trained on them."""
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    made = ToyWorld(tmp_path_factory.mktemp("toy"))
    torch.set_num_threads(threads)
    return made
