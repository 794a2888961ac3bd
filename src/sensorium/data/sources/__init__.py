"""The sources of recordings, one module for each.

Every module has
    simulate(config, number) -> dict[str, np.ndarray]   one recording, a function of (config, number) alone;
                                                        raises data.quarantine.BadRecordingError if that is impossible
    details(config) -> dict                             rates, sizes and names of all its recordings
the modules of labelled sets also have
    listing(config) -> Listing                          the place and the split of each recording
and those of simulators
    environment(config) -> data.environment.Environment the same world, for an agent that acts in it
and those of files that come through the gate
    origin(config, number) -> str                       the file of a recording
    file(config, number), job(config, number)           the path of a file, and the job of its reader
those whose files say where they belong
    splits(config) -> list[Split]                       the split of each file
"""

from __future__ import annotations

from importlib import import_module
from types import ModuleType

from sensorium.config import SOURCES, EpisodesConfig, FileSource, LabelledSet, Recordings, Source
from sensorium.data.recording import Split
from sensorium.data.shards import draw_splits


def module(source: str) -> ModuleType:
    """The module of a source, imported when it is needed, because each imports a heavy library.

    Raises:
        LookupError: if there is no such source.
    """
    if source not in SOURCES:
        raise LookupError(f"source is {source!r}: it must be one of {SOURCES}")
    return import_module(f"{__name__}.{source}")


def is_simulator(source: str) -> bool:
    """Whether the recordings of a source are simulated, and not read from files."""
    return hasattr(module(source), "environment")


def splits(config: Source) -> list[Split]:
    """Split of every recording of a source: that of its labelled set, or else drawn by the seed."""
    if isinstance(config, LabelledSet):
        return [item.split for item in module(config.source).listing(config).items]
    assert isinstance(config, Recordings)
    if isinstance(config, EpisodesConfig):
        stated: list[Split] = module(config.source).splits(config)
        return stated
    return draw_splits(config.seed, config.recordings, config.validation_fraction, config.test_fraction)


def splits_are_published(config: Source) -> bool:
    """Whether the test split is its publisher's, so that results on it can be compared with those of others."""
    return isinstance(config, LabelledSet) and not hasattr(config, "test_fraction")


def origin(config: Source, number: int) -> str:
    """The place from which recording `number` was read; empty if it was simulated."""
    if isinstance(config, LabelledSet):
        return str(module(config.source).listing(config).items[number].place)
    return module(config.source).origin(config, number) if isinstance(config, FileSource) else ""
