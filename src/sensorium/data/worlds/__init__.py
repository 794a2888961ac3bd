"""Environments that others wrote: their spaces, pictures and policies in the form of recordings.

The package gymnasium is optional: where it is missing, importing any module of this room is an error with a way out.
"""

from __future__ import annotations

import os

from sensorium.config import ConfigurationError

for name, value in {"SDL_VIDEODRIVER": "dummy", "SDL_AUDIODRIVER": "dummy", "PYGAME_HIDE_SUPPORT_PROMPT": "1"}.items():
    os.environ.setdefault(name, value)  # read when pygame is imported: a machine without a screen will do

try:
    import gymnasium  # noqa: F401
except ModuleNotFoundError:
    raise ConfigurationError(
        "source = 'gymnasium': the package gymnasium is not installed; install it with: pip install "
        "'sensorium[gymnasium]'"
    ) from None
