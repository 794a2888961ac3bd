"""Answer what `config.probing.ask` asks: one line of JSON, which may be {"refused": reason}."""

from __future__ import annotations

import json
import os
import sys
from collections.abc import Callable
from typing import Any, TypeVar

from sensorium.config import ConfigurationError, Section, parse_section

Settings = TypeVar("Settings", bound=Section)


def answer(kind: type[Settings], probe: Callable[[Settings], dict[str, Any]]) -> None:
    """Answer on what was stdout; whatever a library prints is kept out of the answer and goes to stderr.

    Args:
        kind: of the settings, which are the first argument of the program.
        probe: that looks; a ConfigurationError of it is a refusal.
    """
    stdout = os.fdopen(os.dup(1), "w")
    os.dup2(2, 1)
    try:
        found = probe(parse_section(kind, sys.argv[1]))
    except ConfigurationError as error:
        found = {"refused": str(error)}
    print(json.dumps(found), file=stdout, flush=True)
