"""The health of a run: steps that are not finite are skipped and counted; gates decide about the export."""

from __future__ import annotations

import logging
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Annotated, Any

from pydantic import AfterValidator, Field

from sensorium.artifacts import Stored
from sensorium.training.learner import Gate

log = logging.getLogger(__name__)
MOST_CONSECUTIVE = 10
MOST_FRACTION = 0.05
GRACE_STEPS = 100  # of fewer steps, a few bad ones are already a large fraction
ADVICE = "lower training.lr or training.clip, raise training.warmup, or run with --precision fp32"


class UnhealthyError(Exception):
    """A run diverged or collapsed (exit 70): the message names what was measured, its value, and what to try."""

    exit_code = 70


def _number(text: str) -> str:
    float(text)
    return text


NumberText = Annotated[str, AfterValidator(_number)]  # JSON has no NaN


class StoredGate(Stored, extra="forbid"):
    """A gate in a checkpoint."""

    name: str
    value: NumberText
    minimum: float
    advice: str


class StoredVerdict(Stored):
    """A verdict in a checkpoint."""

    metrics: dict[str, NumberText]
    gates: list[StoredGate]


class SkipCounts(Stored):
    """Skipped steps in a checkpoint."""

    total: int
    consecutive: int


class RunState(Stored):
    """What a run stores in a checkpoint beside its tensors."""

    skips: SkipCounts
    micro_batch: int = Field(ge=1)
    device: str
    verdict: StoredVerdict | None = None


@dataclass(frozen=True)
class Verdict:
    """The result of a validation: metrics by name, and the gates."""

    metrics: dict[str, float]
    gates: list[Gate]

    def values(self) -> dict[str, Any]:
        """State for a checkpoint, with numbers as text, because JSON has no NaN."""
        return {
            "metrics": {name: repr(value) for name, value in self.metrics.items()},
            "gates": [asdict(gate) | {"value": repr(gate.value)} for gate in self.gates],
        }

    @classmethod
    def from_values(cls, values: Mapping[str, Any]) -> Verdict:
        """The verdict whose `values` these are."""
        gates = [Gate(**{**gate, "value": float(gate["value"])}) for gate in values["gates"]]
        return cls({name: float(value) for name, value in values["metrics"].items()}, gates)

    def check(self) -> None:
        """Refuse a collapsed model.

        Raises:
            UnhealthyError: naming every gate that failed, its value and what to try.
        """
        failed = [gate for gate in self.gates if not gate.passed]
        if failed:
            raise UnhealthyError(
                "; ".join(
                    f"gate {gate.name}: {gate.value:.4g}, at least {gate.minimum:.4g} is needed; try: {gate.advice}"
                    for gate in failed
                )
            )


class Skips:
    """Counts the steps that were skipped because their loss or gradient was not finite."""

    def __init__(self, values: Mapping[str, int] | None = None) -> None:
        self.total, self.consecutive = (int(values["total"]), int(values["consecutive"])) if values else (0, 0)

    def values(self) -> dict[str, int]:
        """State for a checkpoint."""
        return {"total": self.total, "consecutive": self.consecutive}

    def passed(self) -> None:
        """Count a step that was made."""
        self.consecutive = 0

    def skipped(self, done: int, where: str) -> None:
        """Count a skipped step, the last of `done` steps, which became non-finite at `where`.

        Raises:
            UnhealthyError: if too many steps in a row, or too large a share of all steps, were skipped.
        """
        self.total += 1
        self.consecutive += 1
        log.warning("step %d skipped, not finite: %s (%d skipped so far)", done, where, self.total)
        if self.consecutive > MOST_CONSECUTIVE:
            raise UnhealthyError(
                f"diverged: {self.consecutive} steps in a row were not finite, the last at step {done}: {where}; "
                f"at most {MOST_CONSECUTIVE} are allowed; try: {ADVICE}"
            )
        if done >= GRACE_STEPS and self.total > MOST_FRACTION * done:
            raise UnhealthyError(
                f"diverging: {self.total} of {done} steps were not finite, the last: {where}; "
                f"at most {MOST_FRACTION:.0%} are allowed; try: {ADVICE}"
            )
