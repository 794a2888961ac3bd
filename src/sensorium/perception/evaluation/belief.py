"""Belief through occlusion: where are the bodies after some frames without sight?

The last frames of a window lack sight, as behind an occluder over the whole room; sound and body sense continue. A
ridge regression predicts the positions in the last frame from the world state of that frame. It is fitted on training
windows that lack sight in the same frames.
Baselines: the positions read out at the last seen frame (copy-last-seen), the mean, untrained fusions, and forecasts by
one ridge regression, without a memory in the dark: from the fusion's own state when last seen, without and with the
body sense of the hidden frames, and from the vision encoder's grid when last seen and before (32 principal components
each) with the body sense of the whole window. Ceiling: the readout of windows that lack nothing. Reference: the true
positions in the last seen frame.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from functools import partial
from typing import Any

import numpy as np
import torch
from torch import Tensor

from sensorium.evaluation.baselines.frames import last_frames, several_frames
from sensorium.evaluation.harness import Bench
from sensorium.evaluation.sample import Sample
from sensorium.evaluation.scores import determination, r_squared, sums_of_squares
from sensorium.evaluation.statistics import Score, measure
from sensorium.perception.config import WorldStateConfig
from sensorium.perception.evaluation.world_readout import TruthReadout
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
        self._bench, self._samples, self._senses = bench, samples, senses
        self._read = TruthReadout(samples, columns)
        self._known: dict[tuple[Fusion, int], list[np.ndarray]] = {}

    def metric(self, fusion: Fusion, untrained: Mapping[str, Fusion], config: WorldStateConfig) -> dict[str, Any]:
        """The belief after `config.hidden` frames without sight, in the form of a metric.

        Args:
            fusion: the judged one.
            untrained: baselines by name.
            config: of the evaluation.
        """
        hidden, read = config.hidden, self._read
        last_seen, judged = self._states(fusion, 0, back=hidden), self._samples[1]
        baselines = {"last seen, held": self._held(fusion, hidden), "last seen, forecast": read(last_seen)}
        baselines |= {name: read(self._states(other, hidden)) for name, other in untrained.items()}
        baselines |= {name: read(rows) for name, rows in self._forecasts(last_seen, hidden).items()}
        true_place = np.stack([read.truth(judged), read.truth(judged, hidden)], -1)
        constant: dict[str, Score] = {"mean": 0.0}
        return measure(
            "belief",
            sums_of_squares(read(self._states(fusion, hidden))),
            read.groups,
            statistic=determination,
            reflected=True,
            fitted_on=read.fitted_on,
            baselines=constant | {name: sums_of_squares(rows) for name, rows in baselines.items()},
            ceilings={"sight never lost": sums_of_squares(read(self._states(fusion, 0)))},
            references={"true place when last seen": sums_of_squares(true_place)},
            seed=config.seed,
        )

    def _forecasts(self, last_seen: list[np.ndarray], hidden: int) -> dict[str, list[np.ndarray]]:
        """What was seen last, and what the body felt since: rows of both samples, by name."""
        vision, _, body = zip(*self._senses, strict=True)

        def with_body(rows: Sequence[np.ndarray], frames: int) -> list[np.ndarray]:
            if body[0] is None:
                return list(rows)
            return [np.hstack([part, last_frames(felt, frames)]) for part, felt in zip(rows, body, strict=True)]

        forecasts = {"state when last seen, body since": with_body(last_seen, hidden)}
        if vision[0] is not None:
            frames = vision[0].shape[1]
            seen = several_frames(vision[0], vision[1], last=frames - 1 - hidden)
            forecasts["encoder's grid when last seen, body"] = with_body(seen, frames)
        return forecasts

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

    def _held(self, fusion: Fusion, hidden: int) -> np.ndarray:
        """Truth of the last frame, and readout of the last seen frame, [n, D, 2]."""
        return self._read(self._states(fusion, 0, back=hidden), back=hidden)


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
