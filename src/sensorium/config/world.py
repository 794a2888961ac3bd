"""The settings that every line builds on: where recordings come from, and which lines run.

A line's settings (`perception/config.py`, ...) inherit `WorldSettings` and extend its answers by `super()`;
`settings.Config` inherits all lines.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

from pydantic import Field, model_validator

from sensorium.config.episodes import Data
from sensorium.config.section import Section
from sensorium.config.sources import PlayroomConfig, Source


class Lines(Section):
    """The lines of the workflow that run; results/eval.json holds their evaluations."""

    representation: bool = Field(True, description="train encoders, fusion and state dynamics, and evaluate them")
    finetune: bool = Field(True, description="with representation: also train encoders and fusion together")
    generative: bool = Field(True, description="train tokenizers, encode latents, train dynamics, and evaluate them")
    agent: bool = Field(False, description="train an agent with the dynamics: cloned, then in dreams; needs rewards")
    puzzle: bool = Field(False, description="train puzzle codes of sound and of pictures, and evaluate them")
    music: bool = Field(False, description="compose songs, train a model that combines two of them, and evaluate it")
    codec: bool = Field(False, description="with music: also train a codec of its songs, and evaluate it")

    @model_validator(mode="after")
    def _something_runs(self) -> Lines:
        if not (self.representation or self.generative or self.puzzle or self.music):
            raise ValueError("representation, generative, puzzle and music are all off: switch one on")
        if self.codec and not self.music:
            raise ValueError("codec is on, music is off: it learns from the songs of music; switch music on")
        if self.agent and not self.generative:
            raise ValueError(
                "agent is on, generative is off: the agent is trained in dreams of the dynamics; switch it on"
            )
        return self


class WorldSettings(Section):
    """The recordings, and the questions that every line answers for its part."""

    data: Data = PlayroomConfig()
    lines: Lines = Lines()

    def learned_from(self, name: str) -> str:
        """Where the recordings that a model learns from stand, below results/: its own set, or the world's."""
        return f"data/{name if name in self.sets() else self.data.source}"

    def sets(self) -> dict[str, Source]:
        """Every set of recordings that is collected; the world's stands under its source's name."""
        return {self.data.source: self.data}

    def sets_used(self) -> list[str]:
        """Names of the sets that the lines that are on learn from: the world's, puzzles' and encoders' own."""
        lines = {name: "puzzle" if name.startswith("puzzle_") else "representation" for name in self.sets()}
        return [name for name, line in lines.items() if name == self.data.source or getattr(self.lines, line)]

    def checks(self) -> dict[str, Callable[[], None]]:
        """What the settings name on this machine: key -> a check that raises a ConfigurationError about it."""
        return {"data": self.data.check}

    def warnings(self) -> list[str]:
        """What may run but is likely to fail, as text that begins with the key."""
        return []

    def evaluations_on(self) -> list[str]:
        """Names of the evaluations that run: those of the lines that are on, if the source has the truth they need."""
        return []

    def trained(self) -> list[str]:
        """Folders of the models that the lines train, below results/."""
        return []

    def windows(self) -> dict[str, int]:
        """Frames of one recording that each setting needs."""
        return {}

    def places_are_known(self) -> bool:
        """Whether the truth holds positions of things: a console's memory and files hold none."""
        return self.data.source == "playroom"

    def streams(self) -> list[str]:
        """What is tokenized: "video", and "audio" where the recordings have sound."""
        return ["video", "audio"] if self.data.has("audio") else ["video"]

    def test_recordings(self) -> dict[str, int]:
        """Test recordings that each evaluation needs: two at least, because intervals resample recordings."""
        return dict.fromkeys(self.evaluations_on(), 2)

    @model_validator(mode="before")
    @classmethod
    def _playroom_by_default(cls, values: Any) -> Any:
        if isinstance(values, dict) and isinstance(values.get("data"), dict):
            return {**values, "data": {"source": "playroom", **values["data"]}}
        return values

    @model_validator(mode="after")
    def _windows_fit(self) -> WorldSettings:
        for key, frames in self.windows().items():
            if frames > self.data.frames:
                raise ValueError(f"{key} is {frames}: it must not exceed data.frames ({self.data.frames})")
        return self

    @model_validator(mode="after")
    def _streams_suffice(self) -> WorldSettings:
        if not self.data.has("video"):
            raise ValueError("data.streams has no video: every line needs it; sounds alone serve encoders.audio.data")
        if self.lines.representation and not self.data.has("audio"):
            named = "data.streams has no audio" if hasattr(self.data, "streams") else f"{self.data.source} has no sound"
            raise ValueError(f"{named}, which lines.representation needs: set that to false for silent recordings")
        return self

    @model_validator(mode="after")
    def _recordings_suffice(self) -> WorldSettings:
        needed, found = self.test_recordings(), self.data.split_counts()["test"]
        name = max(needed, key=lambda name: needed[name], default="")
        if needed and needed[name] > found:
            raise ValueError(
                f"data.recordings is {self.data.recordings}: {found} of them are for testing, evaluation {name} needs "
                f"{needed[name]}; set it to {math.ceil(needed[name] / self.data.test_fraction)} or more"
            )
        return self
