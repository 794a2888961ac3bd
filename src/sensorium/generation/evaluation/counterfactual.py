"""Other actions from a moment on: whether the dream changes as the world would.

The simulator runs each recording again twice: with the recorded actions, which must give the recorded frames bit for
bit, and with those of another recording from the end of the context on. The dynamics dream both several times, with
the same noise. The true change is the difference of the two true films, the dreamed change that of the mean dreams.
`change` is the correlation of dreamed and true change over all pixels of a frame, with both means taken as 0 (the
cosine between them), averaged over the horizon. Floors: no change at all (0), and the change that the actions of a
third recording bring about in the dream. Ceiling: the change between the two true films as the tokenizer shows them.
Beside it the share of the true change's energy that the dreamed one explains is told, 1 - |d - d'|^2 / |d|^2: no
metric, for a dream without any change has 0, and one whose changes are right in part but too strong has less.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import torch

from sensorium.data.sample_formats import to_images
from sensorium.data.sources.playroom.rerun import simulator
from sensorium.evaluation.contract import Evaluation, Result
from sensorium.evaluation.harness import Bench, require
from sensorium.evaluation.sample import Sample, of_other_recordings, with_actions_of
from sensorium.evaluation.scores import cosine, explained, products
from sensorium.evaluation.statistics import measure
from sensorium.generation.config import CounterfactualConfig
from sensorium.generation.evaluation import dream_figures
from sensorium.generation.evaluation.dreams import INPUTS, Studio, add_poison
from sensorium.randomness import stable_seed

REVISION = 1
EVALUATION = Evaluation(__name__, CounterfactualConfig, inputs=INPUTS, control="the dynamics", options=add_poison)
main = EVALUATION.main

SHOWN = 6  # frames in the picture


def judge(bench: Bench, config: CounterfactualConfig) -> Result:
    """How alike the dreamed and the true change under other actions are."""
    studio, given, horizon = Studio(bench, config), config.context, config.horizon
    require(studio.recordings, "action", "counterfactual needs a world that somebody steers")
    rng = np.random.default_rng(stable_seed(config.seed, "counterfactual"))
    takes = studio.sample(given + horizon, config.windows, rng)
    groups = takes.groups.tolist()
    changed, third = (with_actions_of(takes["action"], of_other_recordings(takes.groups, rng), given) for _ in range(2))

    truth = rerun(studio, takes, changed, given)

    def dreamed(actions: np.ndarray | None) -> np.ndarray:
        """The mean dream; its noise is the same for any actions."""
        each = (studio.dream(takes, horizon, actions, number=number) for number in range(config.dreams))
        return np.mean([studio.show(takes, tokens) for tokens in each], axis=0)

    dreamt, dreamt_changed, dreamt_third = (dreamed(actions) for actions in (takes.get("action"), changed, third))
    change = truth - takes["pictures"][:, given:]
    changes = {
        "dream": dreamt_changed - dreamt,
        "other actions": dreamt_third - dreamt,
        "tokenizer": studio.through(np.concatenate([takes["pictures"][:, :given], truth], 1), given)
        - studio.pictures(takes["tokens"], given),
    }
    sums = {name: products(other, change, np.float64) for name, other in changes.items()}
    metrics: dict[str, dict[str, Any]] = {}
    metrics["change"] = measure(
        "change",
        sums["dream"],
        groups,
        statistic=cosine,
        floors={"no change": 0.0, "other actions": sums["other actions"]},
        ceilings={"tokenizer": sums["tokenizer"]},
        seed=config.seed,
    )

    each = {name: [cosine(value[:, [h]], np.ones(len(value))) for h in range(horizon)] for name, value in sums.items()}
    ahead = np.unique(np.linspace(0, horizon - 1, SHOWN).astype(int))
    most = int(np.argmax((change**2).sum((1, 2, 3, 4))))
    strips = {
        "truth": takes["pictures"][most, given + ahead],
        "truth,\nother actions": truth[most, ahead],
        "dream": dreamt[most, ahead],
        "dream,\nother actions": dreamt_changed[most, ahead],
        "true change": np.clip(0.5 + change[most, ahead], 0, 1),
        "dreamed change": np.clip(0.5 + changes["dream"][most, ahead], 0, 1),
    }
    lines = {name: np.array(line) for name, line in each.items()}
    notes = {
        "change_over_horizon": each,
        "explained": {
            name: explained(np.tensordot(np.ones(len(value)), value, axes=(0, 0)).sum(0))
            for name, value in sums.items()
        },
    }
    times = (1 + ahead).tolist()
    return Result(metrics, lambda path: dream_figures.counterfactual(path, lines, strips, times), notes)


def rerun(studio: Studio, takes: Sample, changed: np.ndarray, given: int) -> np.ndarray:
    """What the simulator shows after the context under other actions, float32 [n, horizon, 3, H, W] in [0, 1].

    Args:
        studio: with the recordings.
        takes: the windows.
        changed: their actions, other ones after the context, [n, context + horizon, A].
        given: frames of the context.

    Raises:
        ConfigurationError: if the recordings are not of the playroom, the only world that can be run again.
        ArtifactError: if the simulator does not repeat a recording bit for bit.
    """
    again, films = simulator(studio.recordings), []
    for name, start, moves in zip(takes.groups.tolist(), takes.start.tolist(), changed, strict=True):
        other = np.array(studio.recordings.field(name, "action"))
        other[start + given : start + len(moves)] = moves[given:]
        films.append(again(name, other)["video"][start + given : start + len(moves)])
    return to_images(torch.from_numpy(np.stack(films))).numpy()
