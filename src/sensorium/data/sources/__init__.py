"""Where recordings come from: one module a source.

Each module has
    simulate(config, number) -> dict[str, np.ndarray]   one recording, a function of (config, number) alone;
                                                        raises data.quarantine.BadRecordingError if it cannot be had
    details(config) -> dict                             rates, sizes and names that hold for all its recordings
and, of a labelled set,
    listing(config) -> Listing                          where each recording is, and in which split
    environment(config) -> data.environment.Environment the same world, to be played; simulators only
"""

from __future__ import annotations

from importlib import import_module
from types import ModuleType

from sensorium.config import SOURCES, LabelledSet, Recordings, Source
from sensorium.data.recording import Split
from sensorium.data.shards import draw_splits


def module(source: str) -> ModuleType:
    """Module of a source, imported when it is wanted: each brings a heavy library of its own.

    Raises:
        LookupError: if there is no such source.
    """
    if source not in SOURCES:
        raise LookupError(f"source is {source!r}: it must be one of {SOURCES}")
    return import_module(f"{__name__}.{source}")


def splits(config: Source) -> list[Split]:
    """Split of every recording of a source: as a labelled set is parted, else drawn by the seed."""
    if isinstance(config, LabelledSet):
        return [item.split for item in module(config.source).listing(config).items]
    assert isinstance(config, Recordings)
    return draw_splits(config.seed, config.recordings, config.validation_fraction, config.test_fraction)


def origin(config: Source, number: int) -> str:
    """Where recording `number` of a labelled set was read; empty for other sources."""
    return str(module(config.source).listing(config).items[number].place) if isinstance(config, LabelledSet) else ""
