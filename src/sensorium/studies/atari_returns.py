"""Is it worth dreaming of a game that nobody here wrote? The study of agents (`agent_returns`), on a console."""

from __future__ import annotations

from sensorium.studies.agent_returns import run as run

REVISION = 3
