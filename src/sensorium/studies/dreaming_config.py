"""The section of the study of what each part of the dynamics brings to dreams."""

from __future__ import annotations

from pydantic import Field, model_validator

from sensorium.config.section import Training
from sensorium.config.sources import PlayroomConfig
from sensorium.generation.config import FINE_DYNAMICS, DynamicsConfig
from sensorium.generation.dream_config import ControlConfig, RolloutConfig
from sensorium.generation.tokenizer_config import VideoTokenizerConfig
from sensorium.studies.study_config import Study

Trained = tuple[VideoTokenizerConfig, DynamicsConfig]
WHOLE = "the whole"


class DreamingConfig(Study):
    """What each part of the dynamics brings to dreams: sight and body are trained without it, and judged alike."""

    seeds: int = Field(3, ge=2, description="repetitions, each with different recordings and weights")
    data: PlayroomConfig = PlayroomConfig()
    tokenizer: VideoTokenizerConfig = VideoTokenizerConfig(kind="patches", channels=12)
    dynamics: DynamicsConfig = FINE_DYNAMICS.model_copy(
        update={
            "fine": FINE_DYNAMICS.fine.model_copy(update={"onsets": False}),  # nothing is heard here
            "training": FINE_DYNAMICS.training.model_copy(update={"steps": 400}),
        }
    )
    whole_steps: int = Field(
        175, ge=1, description="optimiser steps where none is on crops; they take about as long as the others"
    )
    rollout: RolloutConfig = RolloutConfig(windows=80)
    control: ControlConfig = ControlConfig()

    @model_validator(mode="after")
    def _parts_are_there(self) -> DreamingConfig:
        fine, data = self.dynamics.fine_path, self.data
        if self.tokenizer.kind != "patches" or fine is None:
            raise ValueError("tokenizer.kind must be patches, and dynamics.path fine: their parts are what is compared")
        there: dict[str, float] = {
            "fine.body": fine.body,
            "fine.refiner.every": fine.refiner.every,
            "fine.reach": fine.reach,
        }
        there |= {"fine.crops": fine.crops, "dreamed": self.dynamics.dreamed}
        there |= {"training.muon": self.dynamics.training.muon}
        for key, value in there.items():
            if not value:
                raise ValueError(f"dynamics.{key} is {value}: there is nothing to leave out; switch it on")
        if fine.pool % 2 or fine.crop % 2:
            raise ValueError(f"dynamics.fine.pool is {fine.pool}, crop {fine.crop}: larger tokens need even ones")
        for tokens, dynamics in self.trained().values():
            tokens.check_size(data.size)
            assert dynamics.fine_path is not None
            dynamics.fine_path.check_grid(data.size // tokens.side)
        needed = {"rollout.context + rollout.horizon": self.rollout.context + self.rollout.horizon}
        needed |= {"control.context + 1": self.control.context + 1, "dynamics.long_frames": self.dynamics.long_frames}
        for name, frames in needed.items():
            if frames > data.frames:
                raise ValueError(f"{name} is {frames}: it must not exceed data.frames ({data.frames})")
        return self

    def trained(self) -> dict[str, Trained]:
        """Tokens and dynamics that are trained for each seed: all of it, and without one part."""
        tokens, dynamics = self.tokenizer, self.dynamics
        fine, training = dynamics.fine, dynamics.training

        def without(**parts: object) -> Trained:
            return tokens, dynamics.model_copy(update={"fine": fine.model_copy(update=parts)})

        larger = tokens.model_copy(update={"channels": 4 * tokens.channels})
        halved = fine.model_copy(update={"pool": fine.pool // 2, "crop": fine.crop // 2})
        clips = training.model_copy(update={"steps": self.whole_steps})
        adam = Training.model_validate(training.model_dump() | {"muon": 0.0})
        return {
            WHOLE: (tokens, dynamics),
            "tokens of twice the side": (larger, dynamics.model_copy(update={"fine": halved})),
            "copies not shifted": without(reach=0),
            "no body sense": without(body=False),
            "no own dreams in training": (tokens, dynamics.model_copy(update={"dreamed": 0.0})),
            "no second pass": without(refiner=fine.refiner.model_copy(update={"every": 0})),
            "no crops, as long": (
                tokens,
                dynamics.model_copy(update={"fine": fine.model_copy(update={"crops": 0.0}), "training": clips}),
            ),
            "AdamW alone": (tokens, dynamics.model_copy(update={"training": adam})),
        }
