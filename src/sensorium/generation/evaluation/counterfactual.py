"""Other actions from a moment on: does the dream change as the world would?

The simulator runs each recording again twice: with the recorded actions, which must give the recorded frames bit for
bit, and with those of another recording from the end of the context on. The dynamics dream both several times, with
the same noise. The true change is the difference of the two true films, the dreamed change that of the mean dreams.
`change` is the correlation of dreamed and true change over all pixels of a frame, with both means set to 0 (the cosine
between them), averaged over the horizon. Floors: no change at all (0), the change in the dream that the actions of
a third recording cause, and a hand that follows the commands, drawn by linear maps (`baselines.drawn_hand`): its place
at the end of the context is felt by the body sense, and the maps are fitted on training recordings, with one penalty
chosen on validation recordings. Ceiling: the change between the two true films as the tokenizer shows them.
The share of the true change's energy that the dreamed one explains, 1 - |d - d'|^2 / |d|^2, is reported without being a
metric: a dream without any change has 0, and one whose changes are partly right but too strong has less.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import torch

from sensorium.data.recording import Split
from sensorium.data.sample_formats import to_images
from sensorium.data.sources.playroom.rerun import simulator
from sensorium.evaluation.baselines.drawn_hand import DrawnHand, FollowedPlace, PlacedPicture
from sensorium.evaluation.baselines.pictures import fitting_windows
from sensorium.evaluation.baselines.pictures import pictures as pictures_of
from sensorium.evaluation.contract import Evaluation, Result
from sensorium.evaluation.harness import Bench, WindowPool, require
from sensorium.evaluation.sample import Sample, of_other_recordings, with_actions_of
from sensorium.evaluation.scores import cosine, explained, products
from sensorium.evaluation.statistics import NOTHING, measure
from sensorium.generation.dream_config import CounterfactualConfig
from sensorium.generation.evaluation import dream_figures
from sensorium.generation.evaluation.dreams import INPUTS, Studio, add_poison, true_pictures
from sensorium.progress import track
from sensorium.randomness import stable_seed

REVISION = 3
EVALUATION = Evaluation(__name__, CounterfactualConfig, inputs=INPUTS, control="the dynamics", options=add_poison)
main = EVALUATION.main

SHOWN = 6  # frames in the picture
HAND = "a hand that follows the commands"
FITTED: dict[Split, int] = {"training": 1680, "validation": 160}  # windows that it is fitted on, and its penalty chosen
APART = 4  # frames between those of a window that show it


def judge(bench: Bench, config: CounterfactualConfig) -> Result:
    """Compare the dreamed change under other actions with the true one."""
    studio, given, horizon = Studio(bench, config), config.context, config.horizon
    require(studio.recordings, "action", "counterfactual needs recordings with actions")
    rng = np.random.default_rng(stable_seed(config.seed, "counterfactual"))
    sample = studio.sample(given + horizon, config.windows, rng)
    actions, groups = sample["action"], sample.groups
    changed, third = (with_actions_of(actions, of_other_recordings(groups, rng), given) for _ in range(2))
    truth = rerun(studio, sample, changed, given)
    own, other, third_dream = (mean_dream(studio, sample, moves, config) for moves in (actions, changed, third))
    pictures = true_pictures(sample)
    rerun_film = np.concatenate([pictures[:, :given], truth], 1)
    change = truth - pictures[:, given:]
    changes = {
        "dream": other - own,
        "other actions": third_dream - own,
        "tokenizer": studio.through(rerun_film, given) - studio.pictures(sample["tokens"], given),
    }
    felt = studio.recordings.has("body")
    hand, fitted_on = drawn_hand(studio, given, horizon) if felt else (None, NOTHING)
    if hand is not None:
        body = {name: studio.recordings.field(name, "body") for name in set(sample.names)}
        last = sample.cut(body, given)[:, -1]
        then, now = (hand(last, moves[:, given:], place(last)) for moves in (changed, actions))
        changes[HAND] = then - now
    sums = {name: products(dreamed, change, np.float64) for name, dreamed in changes.items()}
    metric = measure(
        "change",
        sums["dream"],
        sample.names,
        statistic=cosine,
        fitted_on=fitted_on,
        baselines={"no change": 0.0, **{name: sums[name] for name in ("other actions", HAND) if name in sums}},
        ceilings={"tokenizer": sums["tokenizer"]},
        seed=config.seed,
    )
    ahead, most = np.unique(np.linspace(0, horizon - 1, SHOWN).astype(int)), int((change**2).sum((1, 2, 3, 4)).argmax())
    strips = {
        "truth": pictures[most, given + ahead],
        "truth,\nother actions": truth[most, ahead],
        "dream": own[most, ahead],
        "dream,\nother actions": other[most, ahead],
        "true change": np.clip(0.5 + change[most, ahead], 0, 1),
        "dreamed change": np.clip(0.5 + changes["dream"][most, ahead], 0, 1),
    }
    notes = change_over_horizon(sums, horizon)
    lines = {name: np.array(line) for name, line in notes["change_over_horizon"].items()}
    times = (1 + ahead).tolist()
    return Result({"change": metric}, lambda path: dream_figures.counterfactual(path, lines, strips, times), notes)


def drawn_hand(studio: Studio, given: int, horizon: int) -> tuple[DrawnHand, frozenset[str]]:
    """The baseline, and the recordings that it is fitted on."""
    windows = {}
    for split, count in FITTED.items():
        pool = WindowPool(studio.recordings, split, ("video", "body", "action"), given + horizon)
        most = fitting_windows(studio.recordings, given + horizon, count)
        windows[split] = pool.sample(most, np.random.default_rng(stable_seed(studio.config.seed, HAND, split)))
    fitted, checked = windows["training"], windows["validation"]
    follow = FollowedPlace(
        fitted["body"][:, given - 1], fitted["action"][:, given:], place(fitted["body"][:, given - 1 :])
    )
    picture = PlacedPicture(*_seen(fitted), _seen(checked))
    return DrawnHand(follow, picture), frozenset(fitted.names) | frozenset(checked.names)


def _seen(windows: Sample) -> tuple[np.ndarray, np.ndarray]:
    """Some pictures of windows, [m, 3, H, W], and the places of the hand in them, [m, 2]."""
    shown, felt = pictures_of(windows["video"][:, ::APART]), windows["body"][:, ::APART]
    return shown.reshape(-1, *shown.shape[2:]), place(felt).reshape(-1, 2)


def place(body: np.ndarray) -> np.ndarray:
    """Body sense of the playroom [..., B] -> place of the hand [..., 2], from 0 to 1: its first two numbers."""
    return (body[..., :2] + 1) / 2


def mean_dream(studio: Studio, sample: Sample, actions: np.ndarray, config: CounterfactualConfig) -> np.ndarray:
    """Mean of several dreams under actions, float32 [n, horizon, 3, H, W]; the noise is the same for any actions."""
    numbers = track(range(config.dreams), "dreams")
    each = (studio.dream(sample, config.horizon, actions, number=number) for number in numbers)
    return np.mean([studio.show(sample, tokens) for tokens in each], axis=0)


def change_over_horizon(sums: dict[str, np.ndarray], horizon: int) -> dict[str, Any]:
    """Cosine with the true change at each frame ahead, and the share of it that is explained."""
    return {
        "change_over_horizon": {
            name: [cosine(value[:, [h]], np.ones(len(value))) for h in range(horizon)] for name, value in sums.items()
        },
        "explained": {
            name: explained(np.tensordot(np.ones(len(value)), value, axes=(0, 0)).sum(0))
            for name, value in sums.items()
        },
    }


def rerun(studio: Studio, sample: Sample, changed: np.ndarray, given: int) -> np.ndarray:
    """What the simulator shows after the context under other actions, float32 [n, horizon, 3, H, W] in [0, 1].

    Args:
        studio: with the recordings.
        sample: the windows.
        changed: their actions, other ones after the context, [n, context + horizon, A].
        given: frames of the context.

    Raises:
        ConfigurationError: if the recordings are not of the playroom, the only world that can be run again.
        ArtifactError: if the simulator does not repeat a recording bit for bit.
    """
    again, films = simulator(studio.recordings), []
    windows = zip(sample.groups.tolist(), sample.start.tolist(), changed, strict=True)
    for name, start, moves in track(windows, "windows simulated again", len(sample)):
        other = np.array(studio.recordings.field(name, "action"))
        other[start + given : start + len(moves)] = moves[given:]
        films.append(again(name, other)["video"][start + given : start + len(moves)])
    return to_images(torch.from_numpy(np.stack(films))).numpy()
