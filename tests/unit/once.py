"""What evaluations under test fit, whoever is judged: it is fitted once, where a test runs an evaluation again."""

from __future__ import annotations

from collections.abc import Callable
from types import ModuleType
from typing import Any

import pytest


def fit_once(patch: pytest.MonkeyPatch, module: ModuleType, name: str, key: Callable[..., Any]) -> None:
    """Let a function of a module give the result that it gave before where `key` of its arguments is the same."""
    function, found = getattr(module, name), {}

    def kept(*args: Any) -> Any:
        known = key(*args)
        if known not in found:
            found[known] = function(*args)
        return found[known]

    patch.setattr(module, name, kept)
