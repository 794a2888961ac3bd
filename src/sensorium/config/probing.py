"""Ask a process of its own what a source holds: it may crash, hang, or import what it likes. It loads no torch here."""

from __future__ import annotations

import json
import subprocess
import sys
from importlib.util import find_spec
from typing import Any

from sensorium.config.section import ConfigurationError, Section

SHOWN = 400  # characters of what a process that died said last


def need(package: str, extra: str, where: str) -> None:
    """Refuse a source whose package is not installed.

    Args:
        package: as it is imported.
        extra: of pyproject.toml.
        where: the key and its value.

    Raises:
        ConfigurationError: with the command that installs it.
    """
    if find_spec(package) is None:
        raise ConfigurationError(
            f"{where}: the package {package} is not installed; install it with: pip install 'sensorium[{extra}]'"
        )


def ask(program: str, settings: Section, seconds: float, died: str, late: str) -> dict[str, Any]:
    """What a program answers (`data/probing.py`) that is given settings as JSON.

    Args:
        program: module.
        settings: of the source.
        seconds: that it may take.
        died: beginning of the message if it ends without an answer.
        late: the message if it takes longer.

    Raises:
        ConfigurationError: if it refuses the settings, dies or takes longer.
    """
    command = [sys.executable, "-m", program, json.dumps(settings.model_dump(mode="json"))]
    try:
        done = subprocess.run(command, capture_output=True, text=True, timeout=seconds, stdin=subprocess.DEVNULL)
    except subprocess.TimeoutExpired:
        raise ConfigurationError(late) from None
    try:
        answer: dict[str, Any] = json.loads(done.stdout)
    except ValueError:
        raise ConfigurationError(f"{died} ended with exit {done.returncode}: {done.stderr.strip()[-SHOWN:]}") from None
    if "refused" in answer:
        raise ConfigurationError(answer["refused"])
    return answer
