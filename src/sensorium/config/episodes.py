"""The sources of episodes, of which the world is one."""

from __future__ import annotations

from typing import Annotated

from pydantic import Field

from sensorium.config.gymnasium import GymnasiumConfig
from sensorium.config.sources import AtariConfig, FolderConfig, PlayroomConfig

Data = Annotated[PlayroomConfig | AtariConfig | GymnasiumConfig | FolderConfig, Field(discriminator="source")]
