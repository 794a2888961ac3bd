"""Settings from files of configuration, laid over each other as Snakemake lays them. Never imports torch."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import yaml

from sensorium.config import ConfigurationError
from sensorium.settings import Config, validate

DEFAULT = Path("config/config.yaml")


def read_settings(files: Sequence[Path], default: Path = DEFAULT) -> Config:
    """Settings of the default configuration with files laid over it in order.

    Raises:
        ConfigurationError: if a file is missing or is no YAML mapping, or the settings cannot run.
    """
    merged: dict[str, Any] = {}
    for path in (default, *files):
        merged = lay_over(merged, _mapping(path))
    return validate(merged)


def lay_over(below: Any, above: Mapping[str, Any]) -> dict[str, Any]:
    """Mappings are merged key by key; every other value replaces the one below."""
    merged = dict(below) if isinstance(below, Mapping) else {}
    for key, value in above.items():
        merged[key] = lay_over(merged.get(key, {}), value) if isinstance(value, Mapping) else value
    return merged


def _mapping(path: Path) -> Mapping[str, Any]:
    try:
        content = yaml.safe_load(path.read_text())
    except FileNotFoundError:
        raise ConfigurationError(f"{path}: not found; run this in the folder of the workflow") from None
    except (OSError, ValueError, RecursionError, yaml.YAMLError) as error:
        raise ConfigurationError(f"{path}: cannot be read as configuration ({error})") from None
    if content is None:
        return {}
    if not isinstance(content, Mapping):
        raise ConfigurationError(f"{path}: holds a {type(content).__name__}, not keys with values")
    return content
