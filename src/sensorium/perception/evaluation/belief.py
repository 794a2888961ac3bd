"""Belief through occlusion: where are the bodies, when the lights have been out for a while?

In the last frames of a window sight is lost, as behind an occluder over the whole room; sound and body go on. A ridge
regression from the world state of the last frame, fitted on training windows that lost sight alike, reads the
positions of the last frame.
Floors: the same reading of the frame that was seen last, held still (copy-last-seen), the mean, and untrained fusions.
Ceiling: the reading of windows in which nothing is lost. References: the state of the frame seen last, read for where
bodies will be (what a linear forecast makes of it without the other senses), and the true place where they were last.
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial
from typing import Any

import numpy as np
import torch
from torch import Tensor

from sensorium.evaluation.harness import Bench
from sensorium.evaluation.statistics import Score, measure, r_squared
from sensorium.perception.config import WorldStateConfig
from sensorium.perception.evaluation.world_readout import Drawn, read_out
from sensorium.perception.fusion import SENSES, Fusion

CURVE = (1, 2, 4, 8, 12)  # frames hidden


class Belief:
    """Reads positions from fusions that lose sight.

    Args:
        bench: where networks run.
        drawn: windows to fit on and windows to judge by.
        senses: what vision, audio and body say in each of both, [n, frames, width].
        columns: which variables of the truth are positions, bool [D].
    """

    def __init__(
        self,
        bench: Bench,
        drawn: tuple[Drawn, Drawn],
        senses: list[list[np.ndarray | None]],
        columns: np.ndarray,
    ) -> None:
        self._bench, self._drawn, self._senses, self._columns = bench, drawn, senses, columns
        self._wanted = [part.truth[:, columns] for part in drawn]
        self._known: dict[tuple[Fusion, int], list[np.ndarray]] = {}

    def metric(self, fusion: Fusion, untrained: Sequence[Fusion], config: WorldStateConfig) -> dict[str, Any]:
        """The belief after `config.hidden` frames without sight, in the form of a metric."""
        hidden = config.hidden
        floors: dict[str, Score] = {"mean": 0.0, "last seen, held": self._held(fusion, hidden)}
        floors |= {f"untrained {n}": self._read(self._states(other, hidden)) for n, other in enumerate(untrained)}
        return measure(
            "belief", self._read(self._states(fusion, hidden)), self._drawn[1].groups.tolist(), statistic=r_squared,
            floors=floors,
            ceilings={"sight never lost": self._read(self._states(fusion, 0))},
            references={
                "last seen, forecast": self._read(self._states(fusion, 0, back=hidden)),
                "true place when last seen": np.stack([self._wanted[1], self._truth_before(1, hidden)], -1),
            },
            seed=config.seed,
        )  # fmt: skip

    def curve(self, fusion: Fusion, frames: int) -> dict[str, dict[str, float]]:
        """R^2 by the number of frames without sight: of the belief, and of what was seen last, held still."""
        ones = np.ones(len(self._wanted[1]))
        return {
            str(hidden): {
                "belief": r_squared(self._read(self._states(fusion, hidden)), ones),
                "last seen, held": r_squared(self._held(fusion, hidden), ones),
            }
            for hidden in CURVE
            if hidden < frames
        }

    def _states(self, fusion: Fusion, hidden: int, back: int = 0) -> list[np.ndarray]:
        """State of the frame `back` frames before the last, of windows that lose sight in the last `hidden` frames."""
        if (fusion, hidden) not in self._known:
            self._known[fusion, hidden] = [self._bench.map(partial(blinded, fusion, hidden), *g) for g in self._senses]
        return [states[:, -1 - back] for states in self._known[fusion, hidden]]

    def _read(self, states: list[np.ndarray]) -> np.ndarray:
        """Truth and reading of the last frame of the judged windows, [n, D, 2]."""
        return read_out(states[0], self._wanted[0], states[1], self._wanted[1])

    def _held(self, fusion: Fusion, hidden: int) -> np.ndarray:
        """Truth of the last frame beside the reading of the frame that was seen last."""
        states = self._states(fusion, 0, back=hidden)
        return read_out(states[0], self._truth_before(0, hidden), states[1], self._wanted[1])

    def _truth_before(self, part: int, frames: int) -> np.ndarray:
        drawn = self._drawn[part]
        return drawn.truth_at(drawn.pool.frames - 1 - frames)[:, self._columns]


def blinded(fusion: Fusion, hidden: int, *given: Tensor | None) -> Tensor:
    """States that may be asked for of windows that lose sight in the last `hidden` frames: of all frames, or the last.

    Args:
        fusion: the model.
        hidden: frames without sight; 0: none, and the states of all frames are wanted.
        given: what vision, audio and body say, [B, T, width].

    Returns:
        [B, T, D] where nothing is hidden, else [B, 1, D].
    """
    rows, frames = next(values.shape[:2] for values in given if values is not None)
    device = next(values.device for values in given if values is not None)
    present = torch.ones(rows, frames, len(SENSES), dtype=torch.bool, device=device)
    present[:, frames - hidden :, SENSES.index("vision")] = False
    states = fusion(*given, present=present)
    return states[:, -1:] if hidden else states
