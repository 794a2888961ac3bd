"""Zero-shot: windows of a kind that was never met, told by what it has in common with kinds that were.

A kind is a class seen and a class heard at once (in the playroom: how many bodies there are, and the material of the
one that sounds). In each trial two classes of either sense are withheld in combination: four kinds, of which no window
is learned from, though each class was met in other company. A linear read-out (`readout.py`) of both encoders learns
the attributes, a column a class, from the windows of training recordings that are left. A withheld window of a test
recording goes to that of the four kinds whose attributes are nearest to those read (direct attribute prediction:
Lampert et al. 2014). Every pair of classes heard is withheld in turn, with a pair of those seen.

Floors: chance, and three pairs of untrained encoders. Ceiling: the true attributes. References: the attributes of one
sense alone (where kinds are equally near, each gets its share), and `shuffled attributes`, the negative control, which
must score chance: a read-out that learned from windows among which the attributes were dealt out.
"""

from __future__ import annotations

import time
from collections.abc import Mapping
from dataclasses import dataclass
from itertools import combinations, cycle
from typing import Any

import numpy as np

from sensorium.artifacts import ArtifactError, read_json
from sensorium.config import parse_section
from sensorium.data.recording import RecordingSet, Split
from sensorium.evaluation import figures
from sensorium.evaluation.harness import FLOOR_SEEDS, Bench, WindowPool, arguments
from sensorium.evaluation.labelled import BEFORE, pooled_embedding
from sensorium.evaluation.readout import JointReadout, one_hot
from sensorium.evaluation.scores import balanced_accuracy
from sensorium.evaluation.statistics import Score, measure, write_result
from sensorium.models.load import load
from sensorium.perception.config import ZeroShotConfig
from sensorium.perception.encoders import AudioEncoder, VisionEncoder
from sensorium.randomness import stable_seed

REVISION = 1
WAYS = 4
INPUTS = ("data", "vision", "audio")

Perceived = Mapping[str, np.ndarray]  # sense -> its embedding of each window, [n, width]


@dataclass(frozen=True)
class Labelled:
    """Windows in which both senses have a class.

    Attributes:
        recording: name of each window's recording, [n].
        seen, heard: classes, int64 [n].
    """

    recording: np.ndarray
    seen: np.ndarray
    heard: np.ndarray


def main(argv: list[str]) -> None:
    """Run `sensorium zero-shot`."""
    args = arguments("zero-shot", __doc__, INPUTS, "both encoders").parse_args(argv)
    began, config = time.monotonic(), parse_section(ZeroShotConfig, args.config)
    bench, recordings = Bench.prepare(args), RecordingSet.open(args.data)
    classes = {sense: len(entry["classes"]) for sense, entry in (recordings.details.get("labels") or {}).items()}
    if min(classes.get("vision", 0), classes.get("audio", 0)) < 3:
        raise ArtifactError(
            f"{args.data}: classes of its labels: {classes or 'none'}; zero-shot withholds two of vision and of audio "
            "together, and needs three of each (the playroom has four)"
        )
    frames = int(read_json(args.audio)["config"]["frames"])
    rng = np.random.default_rng(stable_seed(config.seed, "zero shot"))
    drawn = [draw(recordings, split, frames, config.samples, rng) for split in ("training", "test")]

    def perceived(seed: int | None) -> list[Perceived]:
        vision = load(VisionEncoder, args.vision, seed).to(bench.device)
        audio = load(AudioEncoder, args.audio, seed).to(bench.device)
        networks = {
            sense: pooled_embedding(sense, encoder) for sense, encoder in (("vision", vision), ("audio", audio))
        }
        return [
            {sense: bench.run(pool, picked, network) for sense, network in networks.items()}
            for pool, picked, _ in drawn
        ]

    training, test = (labelled for _, _, labelled in drawn)
    trials = Trials(training, test, classes["vision"], classes["audio"])
    untrained = [perceived(seed) for seed in FLOOR_SEEDS]
    metrics = {"unseen_kinds": judge(trials, perceived(args.untrained_seed), untrained, config.seed)}
    figures.bars(args.figure, metrics, "Kinds that were never met", "accuracy")
    write_result(
        args.output,
        "zero_shot",
        metrics,
        {name: getattr(args, name) for name in INPUTS},
        time.monotonic() - began,
        ways=WAYS,
        trials=len(trials.withheld),
        windows={"training": len(training.seen), "test": len(test.seen)},
    )


def draw(
    recordings: RecordingSet, split: Split, frames: int, count: int, rng: np.random.Generator
) -> tuple[WindowPool, np.ndarray, Labelled]:
    """Up to `count` windows of a split in which both senses have a class."""
    pool = WindowPool(recordings, split, ("video", "audio"), frames)
    seen, heard = pool.values("truth.vision_label", 0), pool.values("truth.audio_label", BEFORE)
    picked = pool.draw((seen >= 0) & (heard >= 0), count, rng)
    return pool, picked, Labelled(pool.recording[picked], seen[picked], heard[picked])


def judge(trials: Trials, judged: list[Perceived], untrained: list[list[Perceived]], seed: int) -> dict[str, Any]:
    """The accuracy of telling withheld kinds, in the form of a metric."""
    told = trials.told(judged)
    shuffled = trials.told(judged, shuffled=np.random.default_rng(stable_seed(seed, "shuffled attributes")))
    floors: dict[str, Score] = {"chance": 1 / WAYS}
    floors |= {f"untrained {n}": trials.right(trials.told(each)) for n, each in enumerate(untrained)}
    return measure(
        "unseen_kinds",
        trials.right(told),
        trials.groups,
        statistic=balanced_accuracy,
        floors=floors,
        ceilings={"true attributes": 1.0},
        references={f"{name} alone": trials.right(told, columns) for name, columns in trials.columns.items()}
        | {"shuffled attributes": trials.right(shuffled)},
        seed=seed,
    )


class Trials:
    """Windows to learn from and to judge by, and which kinds are withheld together in each trial.

    A kind's number is seen * (classes heard) + heard. A trial that would judge no window, or withhold a class that is
    met in no other company, is left out.

    Attributes:
        table: attributes of each kind, float [kinds, classes seen + classes heard].
        columns: which of them are of which sense.
        withheld: kinds of each trial, [4] each.

    Raises:
        ArtifactError: if no trial is left.
    """

    def __init__(self, training: Labelled, test: Labelled, seen: int, heard: int) -> None:
        kinds = np.arange(seen * heard)
        self.table = np.concatenate([one_hot(kinds // heard, seen), one_hot(kinds % heard, heard)], 1)
        self.columns = {"vision": slice(0, seen), "audio": slice(seen, None)}
        self._training, self._test = training, test
        self._learned, self._judged = (part.seen * heard + part.heard for part in (training, test))
        pairs = zip(combinations(range(heard), 2), cycle(combinations(range(seen), 2)), strict=False)
        every = [np.array([a * heard + b for a in sights for b in sounds]) for sounds, sights in pairs]
        self.withheld = [kinds for kinds in every if self._possible(kinds)]
        if not self.withheld:
            raise ArtifactError(
                f"of {len(test.seen)} labelled windows of test recordings none is of a withheld kind whose classes are "
                "met in other company; raise data.recordings or data.max_bodies"
            )
        self._rows = [np.flatnonzero(np.isin(self._judged, kinds)) for kinds in self.withheld]

    def _possible(self, kinds: np.ndarray) -> bool:
        met = self.table[self._learned[~np.isin(self._learned, kinds)]].any(0)
        return bool(np.isin(self._judged, kinds).any() and met[self.table[kinds].any(0)].all())

    @property
    def groups(self) -> list[str]:
        """Recording of each judged window, one trial after the other."""
        return [name for rows in self._rows for name in self._test.recording[rows].tolist()]

    def told(self, perceived: list[Perceived], shuffled: np.random.Generator | None = None) -> list[np.ndarray]:
        """Attributes that are read of the judged windows of each trial, [n, columns] each.

        Args:
            perceived: of the windows to learn from, and of those to judge by.
            shuffled: draws the order in which attributes are dealt out among the windows to learn from.
        """
        (training, test), found = perceived, []
        for kinds, rows in zip(self.withheld, self._rows, strict=True):
            kept = ~np.isin(self._learned, kinds)
            given = JointReadout(
                {sense: values[kept] for sense, values in training.items()},
                {sense: values[rows] for sense, values in test.items()},
            )
            attributes = self.table[self._learned[kept]]
            if shuffled is not None:
                attributes = shuffled.permutation(attributes)
            wanted = {sense: attributes[:, columns] for sense, columns in self.columns.items()}
            told = given(tuple(training), wanted, self._training.recording[kept])
            found.append(np.concatenate([told[sense] for sense in self.columns], 1))
        return found

    def right(self, told: list[np.ndarray], columns: slice = slice(None)) -> np.ndarray:
        """Whether each judged window goes to its own kind by some attributes, and that kind: float [n, 2]."""
        judged = []
        for kinds, rows, read in zip(self.withheld, self._rows, told, strict=True):
            own, offered = self._judged[rows], self.table[kinds][:, columns]
            distance = ((read[:, None, columns] - offered) ** 2).sum(-1)
            nearest = np.isclose(distance, distance.min(1, keepdims=True))
            share = (nearest & (kinds == own[:, None])).sum(1) / nearest.sum(1)
            judged.append(np.stack([share, own], 1))
        return np.concatenate(judged)
