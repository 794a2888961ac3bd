"""What the world state and its forecasts know of the bodies, whichever is which: fields of occupancy and momentum.

The truth is a grid over the room: how much of each cell bodies cover, and their momentum there (body_fields.py). Ridge
regressions from world states to the grid are fitted on windows of training recordings and judged on test recordings, by
R^2 over all cells, the mean of occupancy and momentum; 0 is the mean field of the training windows. Ceiling: 1.

`seen`: from the state of a window's last frame. Floors: the mean field; the vision encoder's grid now, one and four
frames before, and the body sense of four frames, without fusion; three untrained fusions.
`hidden`: the same after `hidden` frames without sight. Floors: the mean field; the fields when last seen, held; the
state when last seen with the body sense since; the encoder's grid when last seen with the body sense since, without
fusion; three untrained fusions.
`forecast`: from each state that the state dynamics forecast, the mean over the frames ahead. Floors: the mean field;
the fields of the last frame, held; a ridge regression from the last state and the actions to each frame's fields; the
same from the encoder's grid, without fusion; untrained state dynamics, which forecast no change.
References: the same regression from the variables of the true state, which is linear in places while the fields are
not; sight never lost; the true fields of the last seen frame, held; forecasts read as true states are.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from sensorium.data.recording import Split
from sensorium.evaluation.baselines.regression import Ridge
from sensorium.evaluation.contract import Evaluation, Result
from sensorium.evaluation.harness import FLOOR_SEEDS, Bench, require
from sensorium.evaluation.statistics import measure
from sensorium.forecasting.config import FieldsConfig
from sensorium.forecasting.evaluation import motion_figures
from sensorium.forecasting.evaluation.body_fields import explained, explained_by_kind, squares
from sensorium.forecasting.evaluation.field_windows import TRUTH, Windows
from sensorium.forecasting.evaluation.forecasts import INPUTS
from sensorium.randomness import stable_seed

REVISION = 1
EVALUATION = Evaluation(__name__, FieldsConfig, inputs=INPUTS, control="fusion and the state dynamics")
main = EVALUATION.main

LEARNED: Split = "training"  # what every regression is fitted on
FELT = 4  # frames of the body sense beside it


def judge(bench: Bench, config: FieldsConfig) -> Result:
    """Compare fields read from world states, seen, hidden and forecast, with the truth."""
    for field in (*TRUTH, "action"):
        require(bench.parts.recordings(), field, "fields cannot be judged; use a source that records it")
    rng = np.random.default_rng(stable_seed(config.seed, "fields"))
    parts = (
        Windows(bench, LEARNED, config.windows, config, rng),
        Windows(bench, "test", config.windows // 2, config, rng),
    )
    reader = Reader(*parts)
    read = {"seen": seen(bench, reader), "hidden": hidden(bench, reader), "forecast": forecast(bench, reader)}
    metrics = {
        name: measure(
            name,
            answers["model"],
            parts[1].sample.names,
            statistic=explained,
            fitted_on=reader.fitted_on,
            baselines={"mean field": 0.0} | {key: answers[key] for key in answers if key not in REFERENCES},
            ceilings={"truth": 1.0},
            references={key: answers[key] for key in REFERENCES[1:] if key in answers},
            seed=config.seed,
        )
        for name, answers in read.items()
    }
    by_kind = {
        name: {key: explained_by_kind(value) for key, value in answers.items()} for name, answers in read.items()
    }
    ahead = {
        key: [explained_by_kind(value[:, [frame]]) for frame in range(value.shape[1])]
        for key, value in read["forecast"].items()
    }
    notes: dict[str, Any] = {"by_kind": by_kind, "forecast_over_horizon": ahead}
    return Result(metrics, lambda path: motion_figures.fields(path, metrics, ahead), notes)


TRUE_STATE, NEVER_LOST, TRUE_HELD, AS_TRUE = (
    *("the true state, read alike", "sight never lost"),
    *("true fields when last seen, held", "forecasts, read as true states"),
)
REFERENCES = ("model", TRUE_STATE, NEVER_LOST, TRUE_HELD, AS_TRUE)  # whatever is no baseline

Answers = dict[str, np.ndarray]  # who answers -> `squares` of the judged windows


class Reader:
    """Ridge regressions to fields, fitted on some windows and judged on others.

    Attributes:
        learned, judged: the windows.
        fitted_on: recordings of all fits so far.
    """

    def __init__(self, learned: Windows, judged: Windows) -> None:
        self.learned, self.judged = learned, judged
        self.fitted_on: frozenset[str] = frozenset()
        self._mean = learned.truth.mean((0, 1))

    def fit(self, rows: np.ndarray, truth: np.ndarray) -> Ridge:
        """From numbers of the windows to fit on, [n, W], to their fields, [n, D]."""
        ridge = Ridge.fit(rows, truth, self.learned.sample.groups)
        self.fitted_on |= ridge.fitted_on
        return ridge

    def now(self, learned: np.ndarray, judged: np.ndarray) -> np.ndarray:
        """`squares` of the fields of the last frame, read from numbers of both kinds of windows, [n, W] each."""
        return self.score(self.fit(learned, self.learned.truth[:, 0])(judged)[:, None], ahead=False)

    def later(self, learned: np.ndarray, judged: np.ndarray) -> np.ndarray:
        """`squares` of all fields ahead, each by a regression of its own from [n, W], or from [n, H, W]."""
        answers = [
            self.fit(learned[:, frame] if learned.ndim == 3 else learned, self.learned.truth[:, 1 + frame])(
                judged[:, frame] if judged.ndim == 3 else judged
            )
            for frame in range(self.judged.horizon)
        ]
        return self.score(np.stack(answers, 1), ahead=True)

    def score(self, predicted: np.ndarray, *, ahead: bool) -> np.ndarray:
        """`squares` of fields [n, 1 or H, D] of the last frame or of the frames ahead."""
        truth = self.judged.truth[:, 1:] if ahead else self.judged.truth[:, :1]
        return squares(np.broadcast_to(predicted, truth.shape), truth, self._mean)


def seen(bench: Bench, reader: Reader) -> Answers:
    """Answers to `seen`."""
    parts = reader.learned, reader.judged
    now = reader.learned.frames - 1

    def state(seed: int | None) -> np.ndarray:
        return reader.now(*(part.states(seed)[:, now] for part in parts))

    answers = {"model": reader.now(*(part.judged[:, now] for part in parts)), **bench.untrained(state)}
    answers["encoder without fusion"] = reader.now(*(_join(p.grid(now), p.felt(p.frames - FELT)) for p in parts))
    if all("truth.state" in part.sample for part in parts):
        answers[TRUE_STATE] = reader.now(*(np.nan_to_num(part.sample["truth.state"][:, now]) for part in parts))
    return answers


def hidden(bench: Bench, reader: Reader) -> Answers:
    """Answers to `hidden`."""
    parts = reader.learned, reader.judged
    now, last = reader.learned.frames - 1, reader.learned.frames - 1 - reader.learned.hidden

    def state(seed: int | None) -> np.ndarray:
        return reader.now(*(part.states(seed, part.hidden)[:, 0] for part in parts))

    readout = reader.fit(reader.learned.judged[:, now], reader.learned.truth[:, 0])
    return {
        "model": state(bench.untrained_seed),
        **bench.untrained(state),
        "last seen, held": reader.score(readout(reader.judged.judged[:, last])[:, None], ahead=False),
        "last seen and body since": reader.now(*(_join(p.judged[:, last], p.felt(last + 1)) for p in parts)),
        "encoder without fusion": reader.now(*(_join(p.grid(last), p.felt(last - FELT + 1)) for p in parts)),
        NEVER_LOST: reader.now(*(part.judged[:, now] for part in parts)),
        TRUE_HELD: reader.score(reader.judged.last_seen, ahead=False),
    }


def forecast(bench: Bench, reader: Reader) -> Answers:
    """Answers to `forecast`."""
    parts = reader.learned, reader.judged
    now = reader.learned.frames - 1
    readout = reader.fit(reader.learned.judged[:, now], reader.learned.truth[:, 0])
    states = [part.ahead(bench.untrained_seed) for part in parts]
    plain = (_join(p.grid(now), p.felt(p.frames - FELT), p.actions) for p in parts)
    return {
        "model": reader.later(*states),
        "last fields, held": reader.score(readout(reader.judged.judged[:, -1:]), ahead=True),
        "ridge, state to fields": reader.later(*(_join(part.judged[:, now], part.actions) for part in parts)),
        "encoder without fusion": reader.later(*plain),
        "untrained": reader.later(*(part.ahead(FLOOR_SEEDS[0]) for part in parts)),  # the same for all seeds
        TRUE_HELD: reader.score(reader.judged.truth[:, :1], ahead=True),
        AS_TRUE: reader.score(readout(states[1]), ahead=True),
    }


def _join(*parts: np.ndarray) -> np.ndarray:
    return np.concatenate([part.astype(np.float64) for part in parts], 1)
