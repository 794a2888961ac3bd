"""Zero-shot: bodies of a material and a size that were never met together, told by their attributes alone.

A kind is a material and a size (small, middle, large: thirds of the training strikes). Two materials in the small and
in the large size, four kinds, are withheld: no strike of such a body is learned from, though each material was met in
another size and each size in other materials. A linear read-out (`readout.py`) of sight and hearing learns the rows of
the attribute table, one column a material and one for the size, from the strikes that are left. A strike of a withheld
kind in a test recording goes to that of the four kinds whose row is nearest to what is read (Lampert et al.,
"Attribute-based classification", 2014, section 2). Every pair of materials is withheld in turn.

Floors: chance, and three pairs of untrained encoders. Ceiling: the true attributes. References: the columns of the
material alone and of the size alone (where kinds are equally near, each gets its share), and `shuffled table`, the
negative control, which must score chance: the same with the rows of the attribute table dealt out among the twelve
kinds, in learning and in judging alike.
"""

from __future__ import annotations

import time
from collections.abc import Mapping
from itertools import combinations
from typing import Any

import numpy as np

from sensorium.config import AudioEncoderConfig, VisionEncoderConfig, ZeroShotConfig, parse_section
from sensorium.data.recording import RecordingSet
from sensorium.data.sources.playroom.materials import MATERIALS
from sensorium.evaluation import figures, senses
from sensorium.evaluation.harness import FLOOR_SEEDS, Bench, arguments, load_judged
from sensorium.evaluation.readout import Senses, one_hot
from sensorium.evaluation.statistics import Score, balanced_accuracy, measure, write_result
from sensorium.evaluation.strikes import Strikes, strikes_for
from sensorium.models.encoders import AudioEncoder, VisionEncoder
from sensorium.randomness import stable_seed

REVISION = 1
SIZES = ("small", "middle", "large")
COLUMNS = {"material": slice(0, len(MATERIALS)), "size": slice(len(MATERIALS), None)}  # of the attribute table
KINDS = np.arange(len(MATERIALS) * len(SIZES))
TABLE = np.column_stack([one_hot(KINDS // len(SIZES), len(MATERIALS)), (KINDS % len(SIZES) - 1) / 2])  # a row a kind
WAYS = 4
INPUTS = ("data", "vision", "audio")

Perceived = Mapping[str, np.ndarray]  # sense -> what it says of each strike, [n, width]


def main(argv: list[str]) -> None:
    """Run `sensorium zero-shot`."""
    args = arguments("zero-shot", __doc__, INPUTS, "both encoders").parse_args(argv)
    began, config = time.monotonic(), parse_section(ZeroShotConfig, args.config)
    bench, recordings = Bench.prepare(args), RecordingSet.open(args.data)
    parts = strikes_for(recordings, senses.EARLIEST, senses.LATEST, config)

    def perceived(seed: int | None) -> list[Perceived]:
        vision = load_judged(VisionEncoder, VisionEncoderConfig, args.vision, "encoder_vision", seed, bench)
        audio = load_judged(AudioEncoder, AudioEncoderConfig, args.audio, "encoder_audio", seed, bench)
        return [
            {
                "sight": senses.sight(bench, recordings, strikes, vision),
                "hearing": senses.hearing(bench, recordings, strikes, audio),
            }
            for strikes in parts
        ]

    metrics = {
        "unseen_kinds": judge(
            Trials(*parts), perceived(args.untrained_seed), [perceived(seed) for seed in FLOOR_SEEDS], config.seed
        )
    }
    figures.bars(args.figure, metrics, "Bodies of unseen combinations", "accuracy")
    write_result(
        args.output, "zero_shot", metrics, {name: getattr(args, name) for name in INPUTS}, time.monotonic() - began,
        ways=WAYS, strikes={"training": len(parts[0]), "test": len(parts[1])},
    )  # fmt: skip


def judge(trials: Trials, judged: list[Perceived], untrained: list[list[Perceived]], seed: int) -> dict[str, Any]:
    """The accuracy of telling withheld kinds, in the form of a metric."""
    told = trials.told(TABLE, *judged)
    shuffled = np.random.default_rng(stable_seed(seed, "shuffled table")).permutation(TABLE)
    floors: dict[str, Score] = {"chance": 1 / WAYS}
    floors |= {f"untrained {n}": trials.right(TABLE, trials.told(TABLE, *each)) for n, each in enumerate(untrained)}
    return measure(
        "unseen_kinds", trials.right(TABLE, told), trials.groups, statistic=balanced_accuracy,
        floors=floors,
        ceilings={"true attributes": 1.0},
        references={f"{name} alone": trials.right(TABLE, told, columns) for name, columns in COLUMNS.items()}
        | {"shuffled table": trials.right(shuffled, trials.told(shuffled, *judged))},
        seed=seed,
    )  # fmt: skip


class Trials:
    """Strikes of training and of test recordings, and which kinds are withheld together in each trial."""

    def __init__(self, training: Strikes, test: Strikes) -> None:
        thirds = np.quantile(training.size, [1 / 3, 2 / 3])
        self._training, self._test = training, test
        self._learned, self._judged = (
            part.material * len(SIZES) + np.searchsorted(thirds, part.size) for part in (training, test)
        )
        self._withheld = [
            np.array([material * len(SIZES) + size for material in pair for size in (0, len(SIZES) - 1)])
            for pair in combinations(range(len(MATERIALS)), 2)
        ]
        self._rows = [np.flatnonzero(np.isin(self._judged, kinds)) for kinds in self._withheld]

    @property
    def groups(self) -> list[str]:
        """Recording of each judged strike, one trial after the other."""
        return [name for rows in self._rows for name in self._test.recording[rows].tolist()]

    def told(self, table: np.ndarray, training: Perceived, test: Perceived) -> list[np.ndarray]:
        """Attributes that are read at the judged strikes of each trial, [n, columns] each."""
        found = []
        for kinds, rows in zip(self._withheld, self._rows, strict=True):
            kept = ~np.isin(self._learned, kinds)
            given = Senses(
                {sense: values[kept] for sense, values in training.items()},
                {sense: values[rows] for sense, values in test.items()},
            )
            rows_of = table[self._learned[kept]]
            wanted = {name: rows_of[:, columns] for name, columns in COLUMNS.items()}
            told = given.read(tuple(training), wanted, self._training.recording[kept])
            found.append(np.concatenate([told[name] for name in COLUMNS], 1))
        return found

    def right(self, table: np.ndarray, told: list[np.ndarray], columns: slice = slice(None)) -> np.ndarray:
        """Whether each judged strike goes to its own kind by some columns of the table, and that kind: float [n, 2]."""
        judged = []
        for kinds, rows, read in zip(self._withheld, self._rows, told, strict=True):
            own, offered = self._judged[rows], table[kinds][:, columns]
            distance = ((read[:, None, columns] - offered) ** 2).sum(-1)
            nearest = np.isclose(distance, distance.min(1, keepdims=True))
            share = (nearest & (kinds == own[:, None])).sum(1) / nearest.sum(1)
            judged.append(np.stack([share, own], 1))
        return np.concatenate(judged)
