"""Settings from plain values, faults named by key, value and what is allowed; and settings as canonical text."""

from __future__ import annotations

import json
from itertools import pairwise
from pathlib import Path
from typing import Any

from pydantic import BaseModel, TypeAdapter, ValidationError

from sensorium.artifacts import MAKE_AGAIN, ArtifactError
from sensorium.config.section import ConfigurationError
from sensorium.config.sets import SOURCES


def parse(model: Any, values: Any) -> Any:
    """Check plain values and fill in defaults. `model` is a section or a union of them.

    Raises:
        ConfigurationError: one line for each fault, with the key, the value and what is allowed.
    """
    try:
        return TypeAdapter(model).validate_python(values)
    except ValidationError as error:
        union = not isinstance(model, type)
        raise ConfigurationError("\n".join(_explain(fault, union) for fault in error.errors())) from None


def parse_section(model: Any, text: str) -> Any:
    """Read one section from JSON, as a rule hands it to a program. `model` is a section or a union of them.

    Raises:
        ConfigurationError: if the text is no JSON, or as `parse`.
    """
    try:
        values = json.loads(text)
    except (ValueError, RecursionError) as error:
        raise ConfigurationError(f"--config is not JSON ({error}): {text[:80]!r}") from error
    return parse(model, values)


def parse_stored(model: Any, values: Any, path: Path) -> Any:
    """The section that a manifest holds. `model` is a section or a union of them.

    Raises:
        ArtifactError: if these are no settings of this version.
    """
    try:
        return parse(model, values)
    except ConfigurationError as error:
        raise ArtifactError(f"{path}: made with settings that are not valid here ({error}); {MAKE_AGAIN}") from None


def canonical_json(section: BaseModel) -> str:
    """One line of JSON that is equal for equal settings: defaults filled in, keys sorted."""
    return json.dumps(section.model_dump(mode="json"), sort_keys=True, separators=(",", ":"))


def _explain(fault: Any, union: bool) -> str:
    # the name of a source stands after the key of its section, and first in a union of them; elsewhere it is a key
    keys = pairwise(("data" if union else "", *fault["loc"]))
    place = [str(key) for before, key in keys if before != "data" or key not in SOURCES]
    message = fault["msg"].removeprefix("Value error, ")
    if fault["type"] == "value_error":  # a rule over several keys: the message already names key and value
        return f"config: {'.'.join(place) or 'top level'}: {message}"
    return f"config: {'.'.join(place)} = {fault['input']!r:.100}: {message}"
