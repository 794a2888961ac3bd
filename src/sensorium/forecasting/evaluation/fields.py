"""What the world state and its forecasts know of the bodies, whichever is which: fields of occupancy and momentum.

The truth is a grid over the room: how much of each cell bodies cover, and their momentum there (body_fields.py). Ridge
regressions from world states to the grid are fitted on windows of training recordings and judged on test recordings, by
R^2 over all cells, the mean of occupancy and momentum; 0 is the mean field of the training windows. Ceiling: 1.

`seen`: from the state of a window's last frame. Floors: the mean field; the vision encoder's grid now, one and four
frames before, and the body sense of four frames, without fusion; three untrained fusions.
`hidden`: the same after `hidden` frames without sight. Floors: the mean field; the fields when last seen, held; the
state when last seen with the body sense since; the encoder's grid when last seen with the body sense since, without
fusion; three untrained fusions.
`forecast`: from each state that the state dynamics forecast, over all frames ahead. Floors: the mean field; the fields
of the last frame, held; ridge regressions from the last state, with and without the actions, to the fields of all
frames; the same from the encoder's grid, without fusion; untrained state dynamics, which forecast no change.
References: the same regression from the variables of the true state, which is linear in places while the fields are
not; sight never lost; the true fields of the last seen frame, held; forecasts read as true states are.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from sensorium.data.recording import Split
from sensorium.evaluation.baselines.regression import Ridge
from sensorium.evaluation.contract import Evaluation, Result
from sensorium.evaluation.harness import FLOOR_SEEDS, Bench, require
from sensorium.evaluation.statistics import measure
from sensorium.forecasting.config import FieldsConfig
from sensorium.forecasting.evaluation import motion_figures
from sensorium.forecasting.evaluation.body_fields import explained, explained_by_kind, field_squares
from sensorium.forecasting.evaluation.field_windows import TRUTH, FieldWindows
from sensorium.forecasting.evaluation.forecasts import INPUTS
from sensorium.forecasting.evaluation.ridge_forecast import flat
from sensorium.randomness import stable_seed

REVISION = 1
EVALUATION = Evaluation(__name__, FieldsConfig, inputs=INPUTS, control="fusion and the state dynamics")
main = EVALUATION.main

LEARNED: Split = "training"  # what every regression is fitted on


def judge(bench: Bench, config: FieldsConfig) -> Result:
    """Compare fields read from world states, seen, hidden and forecast, with the truth."""
    for field in (*TRUTH, "action"):
        require(bench.parts.recordings(), field, "fields cannot be judged; use a source that records it")
    rng = np.random.default_rng(stable_seed(config.seed, "fields"))
    parts = (
        FieldWindows(bench, LEARNED, config.windows, config, rng),
        FieldWindows(bench, "test", config.windows // 2, config, rng),
    )
    reader = Reader(*parts)
    read = {"seen": seen(bench, reader), "hidden": unseen(bench, reader), "forecast": forecast(bench, reader)}
    metrics = {
        name: measure(
            name,
            answers["model"].sum(1),
            parts[1].sample.names,
            statistic=explained,
            fitted_on=reader.fitted_on,
            baselines={"mean field": 0.0} | {key: answers[key].sum(1) for key in answers if key not in REFERENCES},
            ceilings={"truth": 1.0},
            references={key: answers[key].sum(1) for key in REFERENCES[1:] if key in answers},
            seed=config.seed,
        )
        for name, answers in read.items()
    }
    by_kind = {
        name: {key: explained_by_kind(value.sum(1)) for key, value in answers.items()} for name, answers in read.items()
    }
    ahead = {
        key: [explained_by_kind(value[:, frame]) for frame in range(value.shape[1])]
        for key, value in read["forecast"].items()
    }
    notes: dict[str, Any] = {"by_kind": by_kind, "forecast_over_horizon": ahead}
    return Result(metrics, lambda path: motion_figures.fields(path, metrics, ahead), notes)


TRUE_STATE, NEVER_LOST, TRUE_HELD, AS_TRUE = (
    *("the true state, read alike", "sight never lost"),
    *("true fields when last seen, held", "forecasts, read as true states"),
)
REFERENCES = ("model", TRUE_STATE, NEVER_LOST, TRUE_HELD, AS_TRUE)  # whatever is no baseline

Answers = dict[str, np.ndarray]  # who answers -> `field_squares` of the judged windows, [n, frames, 2, 2]
Rows = Callable[[FieldWindows], np.ndarray]  # numbers of windows, [n, W]


class Reader:
    """Ridge regressions to fields, fitted on some windows and judged on others.

    Attributes:
        learned, judged: the windows.
        now, ahead: the last frame of the window, and those that are forecast, as `Windows.fields` takes them.
        fitted_on: recordings of all fits so far.
    """

    def __init__(self, learned: FieldWindows, judged: FieldWindows) -> None:
        self.learned, self.judged = learned, judged
        self.now = np.array([learned.frames - 1])
        self.ahead = np.arange(learned.frames, learned.frames + learned.horizon)
        self.fitted_on: frozenset[str] = frozenset()
        self._mean = learned.fields(np.concatenate([learned.read, self.ahead])).mean((0, 1))

    def fit(self, rows: np.ndarray, frames: np.ndarray) -> Ridge:
        """From numbers of the windows to fit on, to their fields.

        Args:
            rows: [n, W] for the fields of all frames together, or [n, frames, W] for one field each.
            frames: of the fields.
        """
        wanted, groups = self.learned.fields(frames), self.learned.sample.groups
        if rows.ndim == 3:
            rows, wanted, groups = (
                rows.reshape(-1, rows.shape[-1]),
                wanted.reshape(-1, wanted.shape[-1]),
                groups.repeat(len(frames)),
            )
        ridge = Ridge.fit(rows, flat(wanted), groups)
        self.fitted_on |= ridge.fitted_on
        return ridge

    def answer(self, rows: Rows, frames: np.ndarray) -> np.ndarray:
        """`field_squares` of some frames, by one regression from numbers [n, W] of both kinds of windows."""
        return self.score(self.fit(rows(self.learned), frames)(rows(self.judged)), frames)

    def answer_each(self, rows: Rows, frames: np.ndarray) -> np.ndarray:
        """The same by a regression for each frame, with a penalty of its own: better where there are many numbers."""
        given, asked = rows(self.learned), rows(self.judged)
        return self.score(np.stack([self.fit(given, frame)(asked) for frame in frames[:, None]], 1), frames)

    def score(self, predicted: np.ndarray, frames: np.ndarray) -> np.ndarray:
        """`field_squares` of fields of some frames."""
        truth = self.judged.fields(frames)
        predicted = predicted.reshape(len(truth), -1, truth.shape[-1])
        return field_squares(np.broadcast_to(predicted, truth.shape), truth, self._mean)

    def readout(self, rows: Callable[[FieldWindows, np.ndarray], np.ndarray]) -> Ridge:
        """The fields of a frame from its own numbers [n, frames, W], fitted on all frames of `Windows.read`."""
        return self.fit(rows(self.learned, self.learned.read), self.learned.read)

    def present(self, rows: Callable[[FieldWindows, np.ndarray], np.ndarray]) -> np.ndarray:
        """`field_squares` of the fields of the last frame by `readout`."""
        return self.score(self.readout(rows)(rows(self.judged, self.now)), self.now)


def seen(bench: Bench, reader: Reader) -> Answers:
    """Answers to `seen`."""

    def state(seed: int | None) -> np.ndarray:
        known = {part: part.states(seed) for part in (reader.learned, reader.judged)}
        return reader.present(lambda part, frames: known[part][:, frames])

    return {
        "model": reader.present(lambda part, frames: part.judged[:, frames]),
        **bench.untrained(state),
        "encoder without fusion": reader.present(lambda part, frames: part.plain(frames)),
        TRUE_STATE: reader.present(lambda part, frames: np.nan_to_num(part.sample["truth.state"][:, frames])),
    }


def unseen(bench: Bench, reader: Reader) -> Answers:
    """Answers to `hidden`."""
    last = reader.now - reader.learned.hidden  # the frame when bodies were last seen
    since = int(last[0]) + 1

    def state(seed: int | None) -> np.ndarray:
        return reader.answer(lambda part: part.states(seed, part.hidden)[:, 0], reader.now)

    held = reader.readout(lambda part, frames: part.judged[:, frames])(reader.judged.judged[:, last])
    return {
        "model": state(bench.untrained_seed),
        **bench.untrained(state),
        "last seen, held": reader.score(held, reader.now),
        "last seen and body since": reader.answer(lambda p: join(p.judged[:, last], p.felt(since)), reader.now),
        "encoder without fusion": reader.answer(lambda p: join(p.plain(last), p.felt(since)), reader.now),
        NEVER_LOST: reader.present(lambda part, frames: part.judged[:, frames]),
        TRUE_HELD: reader.score(reader.judged.fields(last), reader.now),
    }


def forecast(bench: Bench, reader: Reader) -> Answers:
    """Answers to `forecast`."""
    now, ahead = reader.now, reader.ahead
    readout = reader.readout(lambda part, frames: part.judged[:, frames])
    states = [part.ahead(bench.untrained_seed) for part in (reader.learned, reader.judged)]
    each = [reader.fit(states[0][:, number], ahead[[number]])(states[1][:, number]) for number in range(len(ahead))]
    last = reader.judged.judged[:, now]
    return {
        "model": reader.score(np.stack(each, 1), ahead),
        "last fields, held": reader.score(readout(last), ahead),
        "ridge, state to fields": reader.answer(lambda p: join(p.judged[:, now], p.actions), ahead),
        "ridge, last state alone": reader.answer(lambda p: join(p.judged[:, now]), ahead),
        "encoder without fusion": reader.answer_each(lambda p: join(p.plain(now), p.actions), ahead),
        "untrained": reader.score(readout(reader.judged.ahead(FLOOR_SEEDS[0])), ahead),  # the same for all seeds
        TRUE_HELD: reader.score(reader.judged.fields(now), ahead),
        AS_TRUE: reader.score(readout(states[1]), ahead),
    }


def join(*parts: np.ndarray) -> np.ndarray:
    """Arrays [n, ...] side by side, [n, numbers]."""
    return np.concatenate([flat(part).astype(np.float64) for part in parts], 1)
