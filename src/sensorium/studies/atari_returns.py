"""Does training in dreams pay in an Atari game? The study `agent_returns` with other recordings."""

from __future__ import annotations

from sensorium.studies.agent_returns import run as run

REVISION = 3
