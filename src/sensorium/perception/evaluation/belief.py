"""Belief through occlusion: where are the bodies after some frames without sight?

The last frames of a window lack sight, as behind an occluder over the whole room; sound and body sense continue. A
ridge regression predicts the positions in the last frame from the world state of that frame. It is fitted on training
windows that lack sight in the same frames.
Floors: the positions read out at the last seen frame (copy-last-seen), the mean, and untrained fusions. Ceiling: the
readout of windows that lack nothing. References: a linear forecast from the state of the last seen frame, without the
other senses, and the true positions in the last seen frame.
"""

from __future__ import annotations

from collections.abc import Mapping
from functools import partial
from typing import Any

import numpy as np
import torch
from torch import Tensor

from sensorium.evaluation.harness import Bench
from sensorium.evaluation.readout import paired
from sensorium.evaluation.sample import Sample
from sensorium.evaluation.scores import r_squared
from sensorium.evaluation.statistics import NOTHING, Score, measure
from sensorium.perception.config import WorldStateConfig
from sensorium.perception.fusion import SENSES, Fusion

CURVE = (1, 2, 4, 8, 12)  # frames hidden


class Belief:
    """A readout of positions from fusions that lose sight.

    Args:
        bench: where networks run.
        samples: windows to fit on and windows to judge by, with their "truth.state" [n, frames, D].
        senses: vision, audio and body in each of both, [n, frames, width].
        columns: which variables of the truth are positions, bool [D].
    """

    def __init__(
        self,
        bench: Bench,
        samples: tuple[Sample, Sample],
        senses: list[list[np.ndarray | None]],
        columns: np.ndarray,
    ) -> None:
        self._bench, self._samples, self._senses, self._columns = bench, samples, senses, columns
        self._known: dict[tuple[Fusion, int], list[np.ndarray]] = {}

    def metric(self, fusion: Fusion, untrained: Mapping[str, Fusion], config: WorldStateConfig) -> dict[str, Any]:
        """The belief after `config.hidden` frames without sight, in the form of a metric.

        Args:
            fusion: the judged one.
            untrained: floors by name.
            config: of the evaluation.
        """
        hidden = config.hidden
        floors: dict[str, Score] = {"mean": 0.0, "last seen, held": self._held(fusion, hidden)}
        floors |= {name: self._read(self._states(other, hidden)) for name, other in untrained.items()}
        return measure(
            "belief",
            self._read(self._states(fusion, hidden)),
            self._samples[1].names,
            statistic=r_squared,
            fitted_on=NOTHING,
            baselines=floors,
            ceilings={"sight never lost": self._read(self._states(fusion, 0))},
            references={
                "last seen, forecast": self._read(self._states(fusion, 0, back=hidden)),
                "true place when last seen": np.stack([self._truth(1), self._truth(1, hidden)], -1),
            },
            seed=config.seed,
        )

    def curve(self, fusion: Fusion, frames: int) -> dict[str, dict[str, float]]:
        """R^2 of the belief and of copy-last-seen by the number of frames without sight."""
        ones = np.ones(len(self._samples[1]))
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
        """Truth and readout of the last frame of the judged windows, [n, D, 2]."""
        return paired(states[0], self._truth(0), states[1], self._truth(1))

    def _held(self, fusion: Fusion, hidden: int) -> np.ndarray:
        """Truth of the last frame, and readout of the last seen frame, [n, D, 2]."""
        states = self._states(fusion, 0, back=hidden)
        return paired(states[0], self._truth(0, hidden), states[1], self._truth(1))

    def _truth(self, part: int, back: int = 0) -> np.ndarray:
        """Positions in the frame `back` frames before the last, of the windows to fit on (0) or to judge by (1)."""
        return self._samples[part]["truth.state"][:, -1 - back][:, self._columns]


def blinded(fusion: Fusion, hidden: int, *given: Tensor | None) -> Tensor:
    """States of windows that lose sight in the last `hidden` frames: of all frames if none is hidden, else of the last.

    Args:
        fusion: the model.
        hidden: frames without sight; 0: none, and the states of all frames are wanted.
        given: vision, audio and body, [B, T, width].

    Returns:
        [B, T, D] where nothing is hidden, else [B, 1, D].
    """
    rows, frames = next(values.shape[:2] for values in given if values is not None)
    device = next(values.device for values in given if values is not None)
    present = torch.ones(rows, frames, len(SENSES), dtype=torch.bool, device=device)
    present[:, frames - hidden :, SENSES.index("vision")] = False
    states = fusion(*given, present=present)
    return states[:, -1:] if hidden else states
