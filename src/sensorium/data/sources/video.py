"""Long videos, cut into recordings, with actions and more in a file beside each."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from sensorium.config import VideoConfig
from sensorium.data.sources.films import PIECES, film_details, wanted
from sensorium.data.sources.films import origin as file_origin

__all__ = ["details", "file", "job", "origin"]


def origin(config: VideoConfig, number: int) -> str:
    """Path of the film of recording `number`, below the folder."""
    return file_origin(config, number // PIECES)


def file(config: VideoConfig, number: int) -> Path:
    """Path of film `number`."""
    return Path(config.films[number])


def job(config: VideoConfig, number: int) -> dict[str, Any]:
    """Film `number`, for `data.file_worker`."""
    path = file(config, number)
    cuts: dict[str, Any] = {"by": config.split_by, "frames": config.frames, "shortest": config.shortest}
    validation, test = config.validation_fraction, config.test_fraction
    cuts["fractions"] = {"training": 1 - validation - test, "validation": validation, "test": test}
    cuts["gap"] = round(config.gap * config.frame_rate)
    signals, beside = None, ""
    if config.signals:
        signals, beside = config.signals.model_dump(mode="json"), str(config.beside(path).absolute())
    return {
        **wanted(config, config.fit),
        "path": str(path.absolute()),
        "cuts": cuts,
        "signals": signals,
        "beside": beside,
    }


def details(config: VideoConfig) -> dict[str, Any]:
    """Details of all recordings.

    Raises:
        ConfigurationError: if the folder has too few files, or one beside a film is missing.
    """
    beside = config.signals
    named = {"action_names": [*beside.keys, *beside.values]} if beside and (beside.keys or beside.values) else {}
    return {
        **film_details(config),
        **named,
        "source": "video",
        "action": beside.action() if beside else None,
        "body": len(beside.body) if beside else 0,
        "body_names": list(beside.body) if beside else [],
    }
