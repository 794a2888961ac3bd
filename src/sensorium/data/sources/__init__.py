"""Where recordings come from: one module a source.

Each module has
    simulate(config, number) -> dict[str, np.ndarray]   one recording, a function of (config, number) alone;
                                                        raises data.quarantine.BadRecordingError if it cannot be had
    details(config) -> dict                             rates, sizes and names that hold for all its recordings
"""

from __future__ import annotations

from importlib import import_module
from types import ModuleType

SOURCES = ("playroom", "atari", "folder")


def module(source: str) -> ModuleType:
    """Module of a source, imported when it is wanted: each brings a heavy library of its own.

    Raises:
        LookupError: if there is no such source.
    """
    if source not in SOURCES:
        raise LookupError(f"source is {source!r}: it must be one of {SOURCES}")
    return import_module(f"{__name__}.{source}")
