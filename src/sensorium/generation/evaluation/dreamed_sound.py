"""Is the sound of dreams that of what happens? When something begins to sound, how often and how loud, and to what.

Test windows begin with true frames and their sound, as tokens; several dreams go on from each. An onset is found in the
sound alone (`evaluation.onsets`); the truth is the recorded sound.

`onset_auc_4`, `onset_auc_8`, `onset_auc_16`: area under the ROC curve of an onset in frames 1 to 4, 5 to 8 and 9 to 16
after the context, frame by frame, without tolerance; the score of a frame is the mean strength over the dreams.
Floors: a frozen film, a hiss as loud as the context, the context repeated, the share of training windows with an onset
in that frame, a ridge from context and actions, a ridge from the motion of the dreamed films, and untrained dynamics.
Ceilings: the same ridge from the motion of the true film; the true sound through the tokenizer.
`onset_rate` (a second) and `loudness_spread` (standard deviation of the level over the dreamed frames of a window, dB):
continuous ranked probability score of the dreams of a window, as for `uncertainty`; less is better. Floors: those above
where they have a sound, training windows as if they were dreams, and the ridge from context and actions with each of
its training errors. Ceiling: the truth.
`agreement`: correlation, within windows, of the onsets that are heard in a dream with those that the ridge reads from
the film of the same dream. Floors: the sounds of dreams of other recordings, a hiss, the context repeated, and untrained
dynamics. Ceiling: the true film and its sound. Reference: the sound of another dream from the same context.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import torch

from sensorium.data.sample_formats import to_sounds
from sensorium.evaluation import figures
from sensorium.evaluation.baselines.onset_readouts import ContextToOnsets, FilmToOnsets, hiss
from sensorium.evaluation.contract import Evaluation, Input, Output, Result
from sensorium.evaluation.harness import Bench, require
from sensorium.evaluation.onsets import Onsets, are_onsets
from sensorium.evaluation.roc import area, pairs
from sensorium.evaluation.sample import Sample, of_other_recordings
from sensorium.evaluation.scores import correlation, crps
from sensorium.evaluation.statistics import Score, measure
from sensorium.generation.config import DreamedSoundConfig
from sensorium.generation.evaluation.dreams import INPUTS, Studio, add_poison, true_pictures
from sensorium.generation.evaluation.sound_reconstruction import loud_examples, write_sounds
from sensorium.progress import track
from sensorium.randomness import stable_seed

REVISION = 1
EVALUATION = Evaluation(
    __name__,
    DreamedSoundConfig,
    inputs=(*INPUTS[:-1], Input("sound", "latents/audio"), Input("sound-tokenizer", "tokenizers/audio")),
    control="the dynamics",
    outputs=(Output("wav", "WAV", "where true and dreamed sounds go"),),
    options=add_poison,
)
main = EVALUATION.main

RANGES = {4: slice(0, 4), 8: slice(4, 8), 16: slice(8, 16)}  # last frame -> frames of the horizon
EXAMPLES, FILMS = 1120, 280  # training windows that ridges from the context, and from films, are fitted on
SHUFFLES = 4
ONSETS, RATE, SPREAD = slice(0, -2), -2, -1  # columns of what the ridge from the context predicts

Ensemble = np.ndarray  # [M, n]: M forecasts of a number for each window


@dataclass(frozen=True)
class Heard:
    """What is heard after the context of some windows, over M dreams: [M, n, horizon] each.

    Attributes:
        strength: of onsets, dB.
        loudness: level, dB.
    """

    strength: np.ndarray
    loudness: np.ndarray

    def rate(self, per_second: float) -> Ensemble:
        """Onsets a second."""
        return are_onsets(self.strength).mean(2) * per_second

    @property
    def spread(self) -> Ensemble:
        """Standard deviation of the level over the frames of a window, dB."""
        return self.loudness.std(2)


class Ear:
    """Listens to sounds of whole windows, and keeps what comes after the context."""

    def __init__(self, studio: Studio) -> None:
        details = studio.recordings.details
        self.rate, self.samples = int(details["sample_rate"]), int(details["samples_per_frame"])
        self.given, self.per_second = studio.config.context, float(details["frames_per_second"])
        self.onsets = Onsets(studio.bench, self.rate, self.samples)

    def __call__(self, *waves: np.ndarray) -> Heard:
        """Of sounds [n, S], one array a dream."""
        parts = [(self.onsets.strength(sounds), self.onsets.loudness(sounds)) for sounds in waves]
        strength, loudness = (np.stack(values)[:, :, self.given :] for values in zip(*parts, strict=True))
        return Heard(strength, loudness)

    def context(self, waves: np.ndarray, horizon: int) -> tuple[np.ndarray, Heard]:
        """Strengths of the context [n, given], and the context heard again and again."""
        again = np.arange(horizon) % self.given
        strength, loudness = (part[:, : self.given] for part in (self.onsets.strength(waves), self.onsets.loudness(waves)))
        return strength, Heard(strength[None, :, again], loudness[None, :, again])


def judge(bench: Bench, config: DreamedSoundConfig) -> Result:
    """Listen to several dreams of each window, and look at what each of them shows."""
    studio, given, horizon = Studio(bench, config), config.context, config.horizon
    require(studio.recordings, "audio", "leave this evaluation out, or record with sound")
    rng = np.random.default_rng(stable_seed(config.seed, "dreamed_sound"))
    test = studio.sample(given + horizon, config.windows, rng)
    training = studio.sample(given + horizon, EXAMPLES, rng, "training")
    ear, seed, fitted_on = Ear(studio), config.seed, training.names
    waves, known = (bench.map(to_sounds, sample["audio"]) for sample in (test, training))
    true, examples = ear(waves), ear(known)
    context, repeated = ear.context(waves, horizon)
    films = training.rows(slice(None, None, max(len(training) // FILMS, 1)))
    read = FilmToOnsets(studio.pictures(films["tokens"]), ear.onsets.strength(bench.map(to_sounds, films["audio"])), given)

    tokens = [dreamed(studio, test, number) for number in track(range(config.dreams), "dreams")]
    sounds = [studio.sounds(part) for part in tokens]
    dreams = ear(*sounds)
    seen = np.stack([read(studio.pictures(part), context) for part in tokens])
    fresh = dreamed(studio, test, untrained=True)
    untrained = ear(studio.sounds(fresh))
    noise = ear(*(hiss(waves, given, horizon, ear.samples, rng) for _ in range(config.dreams)))
    shown = {"true film": read(studio.pictures(test["tokens"]), context)}
    through = ear(studio.sounds(test["tokens"]))
    ridge, predicted = from_context(studio, ear, training, known, test, context)

    cases, nothing = are_onsets(true.strength[0]), np.zeros(true.strength.shape[1:])
    scores = {
        "dreams": dreams.strength.mean(0),
        "frozen film": nothing,
        "hiss": noise.strength.mean(0),
        "context repeated": repeated.strength[0],
        "base rate": np.broadcast_to(are_onsets(examples.strength[0]).mean(0), nothing.shape),
        "ridge from the context": predicted[:, ONSETS],
        "ridge from the dreamed films": seen.mean(0),
        "untrained": untrained.strength[0],
    }
    best = {**shown, "tokenizer": through.strength[0]}
    metrics = {
        f"onset_auc_{last}": auc_metric(f"onset_auc_{last}", scores, best, cases, part, test, fitted_on, seed)
        for last, part in RANGES.items()
        if horizon > part.start
    }
    heard = {"dreams": dreams, "hiss": noise, "context repeated": repeated, "untrained": untrained}
    silent = {"frozen film": Heard(nothing[None], nothing[None])}
    rates = {name: part.rate(ear.per_second) for name, part in (heard | silent).items()}
    rates["ridge from the context"] = ridge.dressed(predicted, RATE)
    rates["training windows"] = np.broadcast_to(examples.rate(ear.per_second).T, (len(training), len(test)))
    spreads = {name: part.spread for name, part in (heard | silent).items()}
    spreads["ridge from the context"] = ridge.dressed(predicted, SPREAD)
    spreads["training windows"] = np.broadcast_to(examples.spread.T, (len(training), len(test)))
    for name, forecasts, wanted in (
        ("onset_rate", rates, true.rate(ear.per_second)[0]),
        ("loudness_spread", spreads, true.spread[0]),
    ):
        metrics[name] = forecast_metric(name, forecasts, wanted, test, fitted_on, seed)
    others = [of_other_recordings(test.groups, rng) for _ in range(SHUFFLES)]
    metrics["agreement"] = agreement_metric(
        moments(seen, dreams.strength),
        baselines={
            "sounds of other dreams": np.mean([moments(seen, dreams.strength[:, rows]) for rows in others], 0),
            "hiss": moments(seen, noise.strength),
            "context repeated": moments(seen, repeated.strength),
            "untrained": moments(read(studio.pictures(fresh), context)[None], untrained.strength),
            "frozen film": 0.0,
        },
        ceiling=moments(shown["true film"][None], true.strength),
        reference=moments(seen, np.roll(dreams.strength, 1, axis=0)),
        test=test,
        fitted_on=fitted_on,
        seed=seed,
    )
    picked = loud_examples(waves)
    rows = {"truth": waves[picked], "dream": sounds[0][picked], "another dream": sounds[-1][picked]}
    title = f"Sound of dreams, whose first {given} frames are the tokenizer's (-90 to -20 dB)"
    return Result(
        metrics,
        lambda path: figures.spectrograms(path, rows, ear.rate, title),
        notes={
            "onsets_a_second": {n: float(v.mean()) for n, v in {"truth": true.rate(ear.per_second), **rates}.items()},
            "spread_of_loudness": {n: float(v.mean()) for n, v in {"truth": true.spread, **spreads}.items()},
        },
        files={"wav": lambda path: write_sounds(path, rows["truth"], rows["dream"], ear.rate)},
    )


def dreamed(studio: Studio, test: Sample, number: int = 0, untrained: bool = False) -> np.ndarray:
    """Tokens of whole windows, the context true and the rest dreamed, float32 [n, T, N, C]."""
    tokens = studio.dream(test, studio.config.horizon, test.get("action"), number=number, untrained=untrained)
    return np.concatenate([test["tokens"][:, : studio.config.context], tokens], 1)


def from_context(
    studio: Studio, ear: Ear, training: Sample, known: np.ndarray, test: Sample, context: np.ndarray
) -> tuple[ContextToOnsets, np.ndarray]:
    """The ridge that sees the context and all actions, fitted on training windows, and what it predicts for the test's.

    Args:
        studio, ear: of the evaluation.
        training: windows to fit on.
        known: their sounds, [windows, S].
        test: windows to predict.
        context: strengths of their contexts, [n, given].

    Returns:
        the ridge, and for each test window [n, horizon + 2]: onset of each frame, onsets a second, spread of loudness.
    """
    given, heard = ear.given, ear(known)
    rate, spread = heard.rate(ear.per_second)[0], heard.spread[0]
    targets = np.concatenate([are_onsets(heard.strength[0]), rate[:, None], spread[:, None]], 1)
    strength = ear.onsets.strength(known)[:, :given]
    ridge = ContextToOnsets(true_pictures(training, 0, given), strength, actions(studio, training), targets)
    return ridge, ridge(true_pictures(test, 0, given), context, actions(studio, test))


def actions(studio: Studio, sample: Sample) -> np.ndarray | None:
    """Actions of windows as numbers, [n, T, size], or None in a world that nobody steers."""
    values = sample.get("action")
    if values is None or not np.issubdtype(values.dtype, np.integer):
        return values
    return np.eye(int(studio.recordings.details["action"]["size"]), dtype=np.float32)[values]


def auc_metric(
    name: str,
    scores: dict[str, np.ndarray],
    best: dict[str, np.ndarray],
    cases: np.ndarray,
    part: slice,
    test: Sample,
    fitted_on: list[str],
    seed: int,
) -> dict[str, Any]:
    """Area under the ROC curve in some frames, from scores [n, horizon] of dreams, floors and ceilings."""
    known = {key: pairs(score[:, part], cases[:, part]) for key, score in (scores | best).items()}
    return measure(
        name,
        known["dreams"],
        test.names,
        fitted_on=fitted_on,
        statistic=area,
        baselines={key: known[key] for key in scores if key != "dreams"},
        ceilings={key: known[key] for key in best},
        seed=seed,
    )


def forecast_metric(
    name: str, forecasts: dict[str, Ensemble], wanted: np.ndarray, test: Sample, fitted_on: list[str], seed: int
) -> dict[str, Any]:
    """CRPS of each ensemble against a number of each window [n]; a single forecast scores its absolute error."""
    errors = {
        key: crps(values, wanted) if len(values) > 1 else np.abs(values[0] - wanted)
        for key, values in forecasts.items()
    }
    return measure(
        name,
        errors["dreams"],
        test.names,
        fitted_on=fitted_on,
        higher_is_better=False,
        baselines={key: error for key, error in errors.items() if key != "dreams"},
        ceilings={"truth": 0.0},
        seed=seed,
    )


def agreement_metric(
    samples: np.ndarray,
    baselines: dict[str, Score],
    ceiling: np.ndarray,
    reference: np.ndarray,
    test: Sample,
    fitted_on: list[str],
    seed: int,
) -> dict[str, Any]:
    """Correlation of sound and film within windows, from `moments` of each."""
    return measure(
        "agreement",
        samples,
        test.names,
        fitted_on=fitted_on,
        statistic=correlation,
        baselines=baselines,
        ceilings={"truth": ceiling},
        references={"another dream of the same context": reference},
        seed=seed,
    )


def moments(seen: np.ndarray, heard: np.ndarray) -> np.ndarray:
    """Sums over dreams and frames, less each window's own mean, as `scores.correlation` takes them: float64 [n, 6].

    Args:
        seen, heard: [M, n, horizon], or [1, n, horizon] for all dreams.
    """
    x, y = (part - part.mean(2, keepdims=True) for part in np.broadcast_arrays(seen, heard))
    return np.stack([part.sum((0, 2)) for part in (np.ones_like(x), x, y, x * x, y * y, x * y)], 1)
