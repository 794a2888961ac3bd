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
`agreement`: correlation, less the means of each window and of each frame, of the onsets that are heard in a dream with
those that the ridge reads from the film of the same dream. Floors: the sounds of dreams of other recordings, a hiss,
the context repeated, a frozen film, untrained dynamics. Ceiling: the true film and its sound. Reference: the sound of
another dream from this context.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from sensorium.data.sample_formats import to_sounds
from sensorium.evaluation import figures
from sensorium.evaluation.baselines.onset_readouts import ContextToOnsets, FilmToOnsets, hiss
from sensorium.evaluation.contract import Evaluation, Input, Output, Result
from sensorium.evaluation.harness import Bench, require
from sensorium.evaluation.onsets import are_onsets
from sensorium.evaluation.roc import area, pairs
from sensorium.evaluation.sample import Sample, of_other_recordings
from sensorium.evaluation.scores import correlation, crps
from sensorium.evaluation.statistics import measure
from sensorium.generation.dream_config import DreamedSoundConfig
from sensorium.generation.evaluation.dreams import INPUTS, Studio, add_poison, true_pictures
from sensorium.generation.evaluation.listening import Ear, Ensemble, Heard
from sensorium.generation.evaluation.played import loud_examples, write_sounds
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
EXAMPLES, FILMS = 1120, 140  # training windows that ridges from the context, and from films, are fitted on
SHUFFLES = 4
ONSETS, RATE, SPREAD = slice(0, -2), -2, -1  # columns of what the ridge from the context predicts


def judge(bench: Bench, config: DreamedSoundConfig) -> Result:
    """Listen to several dreams of each window, and look at what each of them shows."""
    studio, given, horizon = Studio(bench, config), config.context, config.horizon
    require(studio.recordings, "audio", "leave this evaluation out, or record with sound")
    rng = np.random.default_rng(stable_seed(config.seed, "dreamed_sound"))
    test = studio.sample(given + horizon, config.windows, rng)
    training = studio.sample(given + horizon, EXAMPLES, rng, "training")
    ear, fitted_on = Ear(studio), training.names
    waves, known = (bench.map(to_sounds, sample["audio"]) for sample in (test, training))
    whole, examples = ear(waves), ear(known)
    true, context = ear.frames(whole, slice(given, None)), whole.strength[0, :, :given]
    ridge, predicted = from_context(studio, ear, training, examples, test, context)
    read = film_readout(studio, training, examples, given)
    examples = ear.frames(examples, slice(given, None))

    tokens = [dreamed(studio, test, horizon, number) for number in track(range(config.dreams), "dreams")]
    fresh = dreamed(studio, test, horizon, untrained=True)
    sounds = [studio.sounds(part) for part in tokens]
    heard = {
        "dreams": ear.dreamed(*sounds),
        "hiss": ear.dreamed(*(hiss(waves, given, horizon, ear.samples, rng) for _ in range(config.dreams))),
        "context repeated": ear.repeated(whole),
        "untrained": ear.dreamed(studio.sounds(fresh)),
    }
    seen = {
        "dreams": np.stack([read(studio.pictures(part), context) for part in tokens]),
        "untrained": read(studio.pictures(fresh), context)[None],
        "truth": read(studio.pictures(test["tokens"]), context)[None],
    }
    scores = onset_scores(heard, seen["dreams"], predicted, examples)
    best = {"true film": seen["truth"][0], "tokenizer": ear.dreamed(studio.sounds(test["tokens"])).strength[0]}
    metrics = auc_metrics(scores, best, are_onsets(true.strength[0]), test, fitted_on, config.seed)
    wanted = {"onset_rate": true.rate(ear.per_second), "loudness_spread": true.spread}
    forecasts = forecasts_of(heard, ridge, predicted, examples, ear.per_second)
    for name, ensembles in forecasts.items():
        metrics[name] = forecast_metric(name, ensembles, wanted[name][0], test, fitted_on, config.seed)
    metrics["agreement"] = agreement_metric(seen, heard, true, test, fitted_on, rng, config.seed)

    picked = loud_examples(waves)
    rows = {"truth": waves[picked], "dream": sounds[0][picked], "another dream": sounds[-1][picked]}
    title = f"Sound of dreams, whose first {given} frames are the tokenizer's (-90 to -20 dB)"
    means = {
        name: {who: float(values.mean()) for who, values in {"truth": wanted[name], **ensembles}.items()}
        for name, ensembles in forecasts.items()
    }
    return Result(
        metrics,
        lambda path: figures.spectrograms(path, rows, ear.rate, title),
        notes={"means": means},
        files={"wav": lambda path: write_sounds(path, rows["truth"], rows["dream"], ear.rate)},
    )


def film_readout(studio: Studio, training: Sample, examples: Heard, given: int) -> FilmToOnsets:
    """The ridge that sees films, fitted on some of the training windows as the tokenizer shows them."""
    some = slice(None, None, max(len(training) // FILMS, 1))
    return FilmToOnsets(studio.pictures(training["tokens"][some]), examples.strength[0, some], given)


def onset_scores(
    heard: dict[str, Heard], seen: np.ndarray, predicted: np.ndarray, examples: Heard
) -> dict[str, np.ndarray]:
    """How likely an onset is in each frame, [n, horizon], by the dreams and by the floors.

    Args:
        heard: the dreams and what is heard of the floors.
        seen: scores of the dreamed films, [M, n, horizon].
        predicted: by the ridge from the context, [n, horizon + 2].
        examples: training windows.
    """
    strengths = {name: part.strength.mean(0) for name, part in heard.items()}
    nothing = np.zeros(seen.shape[1:])
    return {
        **strengths,
        "frozen film": nothing,
        "base rate": nothing + are_onsets(examples.strength[0]).mean(0),
        "ridge from the context": predicted[:, ONSETS],
        "ridge from the dreamed films": seen.mean(0),
    }


def forecasts_of(
    heard: dict[str, Heard], ridge: ContextToOnsets, predicted: np.ndarray, examples: Heard, per_second: float
) -> dict[str, dict[str, Ensemble]]:
    """Ensembles of onsets a second and of the spread of loudness, by the dreams and by the floors."""
    nothing = np.zeros_like(next(iter(heard.values())).strength[:1])
    sounding = {**heard, "frozen film": Heard(nothing, nothing)}
    parts = {
        "onset_rate": (lambda part: part.rate(per_second), RATE),
        "loudness_spread": (lambda part: part.spread, SPREAD),
    }
    everywhere = (examples.strength.shape[1], len(predicted))
    return {
        name: {
            **{who: number(part) for who, part in sounding.items()},
            "ridge from the context": ridge.dressed(predicted, column),
            "training windows": np.broadcast_to(number(examples).T, everywhere),
        }
        for name, (number, column) in parts.items()
    }


def dreamed(studio: Studio, test: Sample, horizon: int, number: int = 0, untrained: bool = False) -> np.ndarray:
    """Tokens of whole windows, the context true and the rest dreamed, float32 [n, T, N, C]."""
    tokens = studio.dream(test, horizon, test.get("action"), number=number, untrained=untrained)
    return np.concatenate([test["tokens"][:, : studio.config.context], tokens], 1)


def from_context(
    studio: Studio, ear: Ear, training: Sample, examples: Heard, test: Sample, context: np.ndarray
) -> tuple[ContextToOnsets, np.ndarray]:
    """The ridge that sees the context and all actions, fitted on training windows, and what it predicts for the test's.

    Args:
        studio, ear: of the evaluation.
        training: windows to fit on.
        examples: what is heard in all of them.
        test: windows to predict.
        context: strengths of their contexts, [n, given].

    Returns:
        the ridge, and for each test window [n, horizon + 2]: onset of each frame, onsets a second, spread of loudness.
    """
    given, heard = ear.given, ear.frames(examples, slice(ear.given, None))
    rate, spread = heard.rate(ear.per_second)[0], heard.spread[0]
    targets = np.concatenate([are_onsets(heard.strength[0]), rate[:, None], spread[:, None]], 1)
    known = examples.strength[0, :, :given]
    ridge = ContextToOnsets(true_pictures(training, 0, given), known, actions(studio, training), targets)
    return ridge, ridge(true_pictures(test, 0, given), context, actions(studio, test))


def actions(studio: Studio, sample: Sample) -> np.ndarray | None:
    """Actions of windows as numbers, [n, T, size], or None in a world that nobody steers."""
    values = sample.get("action")
    if values is None or not np.issubdtype(values.dtype, np.integer):
        return values
    return np.eye(int(studio.recordings.details["action"]["size"]), dtype=np.float32)[values]


def auc_metrics(
    scores: dict[str, np.ndarray],
    best: dict[str, np.ndarray],
    cases: np.ndarray,
    test: Sample,
    fitted_on: list[str],
    seed: int,
) -> dict[str, dict[str, Any]]:
    """Area under the ROC curve in each range of frames, from scores [n, horizon] of dreams, floors and ceilings."""
    metrics = {}
    for last, part in RANGES.items():
        if cases[:, part].shape[1] == 0:
            continue  # dreams are shorter
        known = {key: pairs(score[:, part], cases[:, part]) for key, score in (scores | best).items()}
        metrics[f"onset_auc_{last}"] = measure(
            f"onset_auc_{last}",
            known["dreams"],
            test.names,
            fitted_on=fitted_on,
            statistic=area,
            baselines={key: known[key] for key in scores if key != "dreams"},
            ceilings={key: known[key] for key in best},
            seed=seed,
        )
    return metrics


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
    seen: dict[str, np.ndarray],
    heard: dict[str, Heard],
    true: Heard,
    test: Sample,
    fitted_on: list[str],
    rng: np.random.Generator,
    seed: int,
) -> dict[str, Any]:
    """Correlation, within windows, of the onsets that are heard in a dream with those that its film lets expect."""
    films, sounds = seen["dreams"], heard["dreams"].strength
    shuffled = [moments(films, sounds[:, of_other_recordings(test.groups, rng)]) for _ in range(SHUFFLES)]
    return measure(
        "agreement",
        moments(films, sounds),
        test.names,
        fitted_on=fitted_on,
        statistic=correlation,
        baselines={
            "sounds of other dreams": np.mean(shuffled, 0),
            "hiss": moments(films, heard["hiss"].strength),
            "context repeated": moments(films, heard["context repeated"].strength),
            "untrained": moments(seen["untrained"], heard["untrained"].strength),
            "frozen film": 0.0,
        },
        ceilings={"truth": moments(seen["truth"], true.strength)},
        references={"another dream of the same context": moments(films, np.roll(sounds, 1, axis=0))},
        seed=seed,
    )


def moments(seen: np.ndarray, heard: np.ndarray) -> np.ndarray:
    """Sums over dreams and frames, less the means of each window and each frame, for `scores.correlation`: [n, 6].

    Args:
        seen, heard: [M, n, horizon], or [1, n, horizon] for all dreams.
    """
    x, y = (part - part.mean(2, keepdims=True) for part in np.broadcast_arrays(seen, heard))
    x, y = (part - part.mean((0, 1)) for part in (x, y))  # or what every dream does at its beginning would count
    return np.stack([part.sum((0, 2)) for part in (np.ones_like(x), x, y, x * x, y * y, x * y)], 1)
