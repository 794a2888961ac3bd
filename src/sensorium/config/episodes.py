"""The sources of episodes, of which the world is one."""

from __future__ import annotations

from typing import Annotated

from pydantic import Field

from sensorium.config.films import FolderConfig, VideoConfig
from sensorium.config.gymnasium import GymnasiumConfig
from sensorium.config.offline import EpisodesConfig
from sensorium.config.sources import AtariConfig, PlayroomConfig

Data = Annotated[
    PlayroomConfig | AtariConfig | GymnasiumConfig | FolderConfig | VideoConfig | EpisodesConfig,
    Field(discriminator="source"),
]
