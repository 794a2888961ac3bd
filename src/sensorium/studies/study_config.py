"""What the sections of all studies have."""

from __future__ import annotations

from pydantic import Field, model_validator

from sensorium.config.section import LARGEST_SEED, Section


class Study(Section):
    """Settings that every study has."""

    seeds: int = Field(20, ge=2, description="repetitions, each with different worlds, weights and random draws")
    seed: int = Field(0, ge=0, description="first seed; the others are the numbers after it")

    @model_validator(mode="after")
    def _seeds_fit(self) -> Study:
        if self.seed + self.seeds - 1 > LARGEST_SEED:
            raise ValueError(f"seed is {self.seed}, seeds {self.seeds}: the last seed must not exceed {LARGEST_SEED}")
        return self

    def all_seeds(self) -> list[int]:
        """The seeds of the repetitions."""
        return list(range(self.seed, self.seed + self.seeds))
