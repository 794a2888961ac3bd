"""What unit tests share: drawn numbers that are the same in every run, and a world trained once for all who need it."""

from __future__ import annotations

import os

import pytest
import torch
from toy_store import TOYS
from toy_world import ToyWorld

TRAINED = {"world", "room", "playroom"}  # fixtures whose models are trained


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Mark the tests that first train a toy world, so a quick run can leave them out: -m "not trained"."""
    for item in items:
        if TRAINED & set(getattr(item, "fixturenames", ())):
            item.add_marker("trained")


@pytest.fixture(scope="module", autouse=True)
def drawn_alike_by_module() -> None:
    """For fixtures of a module, which are made before its first test."""
    torch.manual_seed(0)


@pytest.fixture(autouse=True)
def drawn_alike() -> None:
    """A test that fails, fails again: in any order, alone and in any worker."""
    torch.manual_seed(0)


@pytest.fixture(scope="session")
def world(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> ToyWorld:
    """Recordings and models that were trained on them, once for all workers, and for later runs of the same sources."""
    cache = getattr(request.config, "cache", None)
    if cache is not None:  # with another torch the same training ends elsewhere
        os.environ.setdefault(TOYS, str(cache.mkdir("toys") / f"torch-{torch.__version__}"))
    elif "PYTEST_XDIST_WORKER" in os.environ:
        os.environ.setdefault(TOYS, str(tmp_path_factory.getbasetemp().parent / "toys"))
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    made = ToyWorld(tmp_path_factory.mktemp("toy"))
    torch.set_num_threads(threads)
    return made
