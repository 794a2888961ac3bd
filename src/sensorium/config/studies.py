"""Studies: experiments over many seeds, one section each, none of them part of the default run."""

from __future__ import annotations

from pydantic import Field, model_validator

from sensorium.config.section import Section


class Study(Section):
    """What every study has."""

    seeds: int = Field(20, ge=2, description="repetitions, each with its own world, weights and draws")
    seed: int = Field(0, ge=0, description="first seed; the others follow it")

    def all_seeds(self) -> list[int]:
        """The seeds of the repetitions."""
        return list(range(self.seed, self.seed + self.seeds))


class CuriosityConfig(Study):
    """Curiosity in a room with a noisy television: where an agent spends its time."""

    steps: int = Field(600, ge=100, description="visits an agent makes; the novelty opens half way")
    batch: int = Field(64, ge=2, description="transitions seen in a visit; half of them teach, half of them examine")
    window: int = Field(20, ge=8, description="last visits to a place that tell how interesting it is")
    explore: float = Field(0.15, ge=0, lt=1, description="share of visits to a place drawn at random")
    width: int = Field(48, ge=4, description="hidden units of a forward model")
    lr: float = Field(0.001, gt=0, le=1, description="learning rate of the forward models")


class ForgettingConfig(Study):
    """Three tasks in a row: what is forgotten, and what protects from it."""

    recordings: int = Field(500, ge=20, description="playroom recordings whose impacts are heard")
    steps: int = Field(300, ge=1, description="training steps a task")
    batch: int = Field(32, ge=1, description="sounds of a task in a batch")
    lr: float = Field(0.01, gt=0, le=1, description="learning rate of Adam")
    width: int = Field(24, ge=2, description="hidden units of the classifier")
    weights: tuple[float, ...] = Field((3.0, 30.0, 300.0, 3000.0), description="weights of EWC, growing")
    weight: float = Field(30.0, gt=0, description="the one among them that is judged")

    @model_validator(mode="after")
    def _weights_grow(self) -> ForgettingConfig:
        if list(self.weights) != sorted(set(self.weights)) or self.weight not in self.weights:
            raise ValueError(f"weights is {self.weights}, weight {self.weight}: weights must grow and hold weight")
        return self


class PhysicsPriorConfig(Study):
    """What knowing gravity is worth where some things rise: a prior, a learner and their blend."""

    samples: tuple[int, ...] = Field((10, 30, 100, 300, 1000), description="training samples of the curve, growing")
    scenes: int = Field(300, ge=20, description="balls thrown for training; half as many for the test")
    steps: int = Field(300, ge=1, description="training steps, each on all samples")
    lr: float = Field(0.02, gt=0, le=1, description="learning rate of Adam")
    width: int = Field(32, ge=2, description="hidden units of a correction")
    penalty: float = Field(10.0, ge=0, description="penalty of the correction, as heavy as so many samples")


class Studies(Section):
    """One section a study: results/studies/NAME.json."""

    curiosity: CuriosityConfig = CuriosityConfig()
    forgetting: ForgettingConfig = ForgettingConfig()
    physics_prior: PhysicsPriorConfig = PhysicsPriorConfig()
