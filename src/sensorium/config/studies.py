"""Studies: experiments over many seeds, one section each, none of them part of the default run."""

from __future__ import annotations

from pydantic import Field

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


class Studies(Section):
    """One section a study: results/studies/NAME.json."""

    curiosity: CuriosityConfig = CuriosityConfig()
