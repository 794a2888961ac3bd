"""`control` in worlds without a known hand: what a dream changes under its own actions.

`own_actions` is the cosine between the dreamed and the true change since the last true frame, in the pixels that move
(a channel changes by more than a tenth of the scale), pooled over the windows and averaged over the frames ahead. A
dream that goes where its actions lead beats the dream under strangers' actions, which is a floor; others are those of
`LongDreams`, and the fade and the ridge of `baselines.forecasts`, which is given the actions, too.
"""

from __future__ import annotations

from dataclasses import replace
from functools import partial

import numpy as np

from sensorium.data.recording import Split
from sensorium.evaluation.baselines.pictures import RECENT, Fade, Films
from sensorium.evaluation.baselines.ridge_of_films import continued
from sensorium.evaluation.contract import Result
from sensorium.evaluation.sample import of_other_recordings, with_actions_of
from sensorium.evaluation.scores import cosine, products
from sensorium.evaluation.statistics import measure
from sensorium.generation.dream_config import ControlConfig
from sensorium.generation.evaluation import control_figures
from sensorium.generation.evaluation.dreams import Studio, true_pictures
from sensorium.generation.evaluation.long_dreams import LongDreams, curves, images
from sensorium.generation.evaluation.permanence import histogram_distance
from sensorium.randomness import stable_seed

FITTED: tuple[Split, ...] = ("training", "validation")  # on which ridges are fitted, and their penalties chosen
MOVED = 0.1  # of the scale, of any channel of a pixel, since the last true frame


def judge_films(studio: Studio, config: ControlConfig, rng: np.random.Generator) -> Result:
    """Cosine of dreamed and true changes, under own and under strangers' actions."""
    recordings, given = studio.recordings, config.context
    length = min(recordings.frames(name) for name in recordings.names("test"))
    dreams = LongDreams(studio, config, rng, min(config.frames, length - given))
    sample, frames = dreams.sample, dreams.given - 1 + dreams.ahead
    own = sample["action"]
    strangers = with_actions_of(own, of_other_recordings(sample.groups, rng), given)
    dreamt = dreams.dreams({"own": own, "strangers": strangers})
    continued_films, fitted_on = continuations(dreams, config.seed)
    floors = {
        **dreams.floors(),
        **continued_films,
        "actions of strangers": dreams.shown(dreamt["strangers"]),
        "untrained": dreams.shown(dreams.dreams({"own": own}, untrained=True)["own"]),
    }
    dreamed, coded = dreams.shown(dreamt["own"]), dreams.coded(sample["video"])
    truth, last = images(sample["video"][:, frames]), true_pictures(sample, given - 1, given)
    sums = partial(changes, truth=truth, last=last)
    metric = measure(
        "own_actions",
        sums(dreamed),
        sample.names,
        statistic=cosine,
        fitted_on=dreams.fitted_on | fitted_on,
        baselines={name: sums(pictures) for name, pictures in floors.items()},
        ceilings={"tokenizer": sums(coded)},
        seed=config.seed,
    )
    shown = {"dream": dreamed, **floors}
    each = np.arange(len(dreams.ahead))
    lines = {
        "cosine with the true change": {
            name: [cosine(sums(pictures)[:, [frame]], np.ones(len(sample))) for frame in each]
            for name, pictures in shown.items()
        },
        "distance of the colours": curves(
            {name: histogram_distance(pictures, truth) for name, pictures in shown.items()}
        ),
        "look": {name: line.tolist() for name, line in dreams.looks(shown, coded).items()},
    }
    notes = {"ahead": dreams.ahead.tolist(), "by_frames_ahead": lines}
    strips = {"truth": truth, "dream": dreamed, "strangers": floors["actions of strangers"]}
    return Result(
        {"own_actions": metric},
        lambda path: control_figures.control(path, dreams.ahead, lines, strips, {}),
        notes,
        files={"video": lambda path: control_figures.write_film(path, studio, sample["video"], dreamt["own"])},
    )


def continuations(dreams: LongDreams, seed: int) -> tuple[dict[str, np.ndarray], frozenset[str]]:
    """The fade and the ridge at the frames that are judged, [n, H, 3, S, S], and the recordings that they know.

    Training recordings that end sooner say nothing of later frames, which are continued as their last ones are.
    """
    recordings, given, recent = dreams.studio.recordings, dreams.given, min(dreams.given, RECENT)
    known = min(recordings.frames(name) for split in FITTED for name in recordings.names(split))
    frames = np.minimum(dreams.sample["video"].shape[1], known) - given + recent
    ahead = np.minimum(dreams.ahead, frames - recent)
    kept = [*range(recent), *(recent - 1 + ahead)]

    def of_interest(films: Films) -> Films:
        actions = None if films.actions is None else films.actions[:, :frames]
        return replace(films, frames=films.frames[:, kept], actions=actions)

    fitting, choosing = (
        of_interest(Films.drawn(recordings, split, frames, stable_seed(seed, "own actions", split))) for split in FITTED
    )
    test = of_interest(Films.of(dreams.sample, given - recent))
    fade = Fade(fitting, recent)
    shown = {"fade": fade(test.pictures(0, recent)), "ridge": continued(fade, fitting, choosing, (test,), recent)[0]}
    return shown, fitting.recordings | choosing.recordings


def changes(pictures: np.ndarray, truth: np.ndarray, last: np.ndarray) -> np.ndarray:
    """Products of shown and true changes since the last true frame in the pixels that move, float64 [n, H, 3].

    Args:
        pictures, truth: [n, H, 3, S, S].
        last: [n, 1, 3, S, S].
    """
    moving = (np.abs(truth - last) > MOVED).any(2, keepdims=True)
    return products(moving * (pictures - last), moving * (truth - last), np.float64)
