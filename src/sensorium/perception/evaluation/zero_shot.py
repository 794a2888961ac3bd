"""Zero-shot: recognise kinds that the readout never saw by the attributes that they share with kinds that it saw.

A kind combines a visual class and a sound class (in the playroom: the number of bodies, and the material of the one
that sounds). Each trial withholds the combinations of two classes of either sense: four kinds. The readout learns from
none of their windows, but it sees each of the four classes in other combinations. A linear readout (`readout.py`) of
both encoders learns the attributes, a column for each class, from the other windows of training recordings. A withheld
window of a test recording is assigned to the one of the four kinds whose attributes are nearest to the predicted ones
(direct attribute prediction: Lampert et al. 2014). Every pair of sound classes is withheld in turn, with a pair of
visual ones.

Baselines: chance, three pairs of untrained encoders, and features that nobody had to learn, read in the same way: ten
plain numbers of the picture, and cepstra and statistics of the bands of the sound. Ceiling: the true attributes.
References: the attributes of one sense alone (kinds that are equally near get equal shares), and `shuffled attributes`,
a negative control that must score chance: a readout that learned from shuffled attributes.
"""

from __future__ import annotations

from collections.abc import Mapping
from itertools import combinations, cycle
from typing import Any

import numpy as np

from sensorium.artifacts import ArtifactError
from sensorium.data.recording import RecordingSet, Split
from sensorium.evaluation import figures
from sensorium.evaluation.baselines.sound_features import band_statistics, cepstra
from sensorium.evaluation.contract import Evaluation, Result
from sensorium.evaluation.harness import Bench, WindowPool
from sensorium.evaluation.readout import JointReadout, one_hot
from sensorium.evaluation.sample import Sample
from sensorium.evaluation.scores import balanced_accuracy
from sensorium.evaluation.statistics import Score, measure
from sensorium.perception.config import AudioEncoderConfig, ZeroShotConfig
from sensorium.perception.encoders import AudioEncoder, VisionEncoder
from sensorium.perception.evaluation.labelled import BEFORE, pooled_embedding
from sensorium.perception.evaluation.plain import picture_features, sound_spectra
from sensorium.perception.evaluation.world_readout import ENCODERS
from sensorium.progress import track
from sensorium.randomness import stable_seed

REVISION = 2
EVALUATION = Evaluation(__name__, ZeroShotConfig, inputs=ENCODERS, control="both encoders")
main = EVALUATION.main

WAYS = 4
SEEN = "ten plain numbers"  # of the picture, among what nobody had to learn
SPLITS: tuple[Split, ...] = ("training", "test")

Perceived = Mapping[str, np.ndarray]  # sense -> its embedding of each window, [n, width]


def judge(bench: Bench, config: ZeroShotConfig) -> Result:
    """Recognise withheld kinds by their attributes."""
    recordings, classes = bench.parts.recordings(), classes_of(bench.parts.recordings())
    frames = bench.parts.section("encoders/audio", AudioEncoderConfig).frames
    rng = np.random.default_rng(stable_seed(config.seed, "zero shot"))
    pools = [WindowPool(recordings, split, ("video", "audio"), frames) for split in SPLITS]
    picked = [labelled_in_both(pool, config.samples, rng) for pool in pools]
    training, test = (sample(pool, rows) for pool, rows in zip(pools, picked, strict=True))
    trials = Trials(training, test, classes["vision"], classes["audio"])

    def perceived(seed: int | None) -> list[Perceived]:
        networks = {
            "vision": pooled_embedding("vision", bench.parts.load(VisionEncoder, seed)),
            "audio": pooled_embedding("audio", bench.parts.load(AudioEncoder, seed)),
        }
        return [
            {sense: bench.run(pool, rows, network) for sense, network in networks.items()}
            for pool, rows in zip(pools, picked, strict=True)
        ]

    def plain(pool: WindowPool, rows: np.ndarray) -> Perceived:
        spectra = sound_spectra(bench, pool, rows, bench.parts.load(AudioEncoder).spectrogram)
        heard = np.concatenate([cepstra(spectra), band_statistics(spectra)], 1)
        return {"vision": picture_features(bench, pool, rows, [SEEN])[SEEN], "audio": heard}

    others = bench.untrained(perceived)
    others["plain features"] = [plain(pool, rows) for pool, rows in zip(pools, picked, strict=True)]
    metrics = {"unseen_kinds": unseen_kinds(trials, perceived(bench.untrained_seed), others, config.seed)}
    windows = {"training": len(training), "test": len(test)}
    notes = {"ways": WAYS, "trials": len(trials.withheld), "windows": windows}
    return Result(metrics, lambda path: figures.bars(path, metrics, "Unseen kinds", "accuracy"), notes)


def classes_of(recordings: RecordingSet) -> dict[str, int]:
    """Number of classes by sense.

    Raises:
        ArtifactError: if there are fewer than three of vision or of audio.
    """
    classes = {sense: len(entry["classes"]) for sense, entry in (recordings.details.get("labels") or {}).items()}
    if min(classes.get("vision", 0), classes.get("audio", 0)) < 3:
        raise ArtifactError(
            f"{recordings.manifest}: classes of its labels: {classes or 'none'}; zero-shot withholds two of vision and "
            "of audio together, and needs three of each (the playroom has four)"
        )
    return classes


def labels_of(pool: WindowPool) -> tuple[np.ndarray, np.ndarray]:
    """Visual and sound class of every window, -1: none."""
    return pool.values("truth.vision_label", 0), pool.values("truth.audio_label", BEFORE)


def labelled_in_both(pool: WindowPool, count: int, rng: np.random.Generator) -> np.ndarray:
    """Up to `count` windows in which both senses have a class."""
    seen, heard = labels_of(pool)
    return pool.draw((seen >= 0) & (heard >= 0), count, rng)


def sample(pool: WindowPool, rows: np.ndarray) -> Sample:
    """Windows with their classes, fields "seen" and "heard", int64 [n]."""
    seen, heard = labels_of(pool)
    return pool.places(rows).having(seen=seen[rows], heard=heard[rows])


def unseen_kinds(
    trials: Trials, judged: list[Perceived], others: Mapping[str, list[Perceived]], seed: int
) -> dict[str, Any]:
    """The accuracy of recognising withheld kinds, from what is judged and from what it is compared with."""
    read = trials.read(judged)
    shuffled = trials.read(judged, shuffled=np.random.default_rng(stable_seed(seed, "shuffled attributes")))
    baselines: dict[str, Score] = {"chance": 1 / WAYS}
    baselines |= {name: trials.right(trials.read(each)) for name, each in others.items()}
    return measure(
        "unseen_kinds",
        trials.right(read),
        trials.groups,
        statistic=balanced_accuracy,
        fitted_on=trials.fitted_on,
        baselines=baselines,
        ceilings={"true attributes": 1.0},
        references={f"{name} alone": trials.right(read, columns) for name, columns in trials.columns.items()}
        | {"shuffled attributes": trials.right(shuffled)},
        seed=seed,
    )


class Trials:
    """Training and test windows, and which kinds are withheld together in each trial.

    A kind's number is seen * (sound classes) + heard. A trial without a test window is left out, and so is one whose
    classes do not all occur in other combinations.

    Attributes:
        table: attributes of each kind, float [kinds, classes seen + classes heard].
        columns: which of them are of which sense.
        withheld: kinds of each trial, [4] each.
        fitted_on: recordings of the windows that readouts were fitted on.

    Raises:
        ArtifactError: if no trial is left.
    """

    def __init__(self, training: Sample, test: Sample, seen: int, heard: int) -> None:
        kinds = np.arange(seen * heard)
        self.table = np.concatenate([one_hot(kinds // heard, seen), one_hot(kinds % heard, heard)], 1)
        self.columns = {"vision": slice(0, seen), "audio": slice(seen, None)}
        self._training, self._test = training, test
        self.fitted_on: set[str] = set()
        self._learned, self._judged = (part["seen"] * heard + part["heard"] for part in (training, test))
        pairs = zip(combinations(range(heard), 2), cycle(combinations(range(seen), 2)), strict=False)
        every = [np.array([a * heard + b for a in sights for b in sounds]) for sounds, sights in pairs]
        self.withheld = [kinds for kinds in every if self._possible(kinds)]
        if not self.withheld:
            raise ArtifactError(
                f"none of {len(test)} labelled windows of test recordings is of a withheld kind whose classes occur "
                "in other combinations; raise data.recordings or data.max_bodies"
            )
        self._rows = [np.flatnonzero(np.isin(self._judged, kinds)) for kinds in self.withheld]

    def _possible(self, kinds: np.ndarray) -> bool:
        met = self.table[self._learned[~np.isin(self._learned, kinds)]].any(0)
        return bool(np.isin(self._judged, kinds).any() and met[self.table[kinds].any(0)].all())

    @property
    def groups(self) -> list[str]:
        """Recording of each judged window, one trial after the other."""
        return [name for rows in self._rows for name in self._test.groups[rows].tolist()]

    def read(self, perceived: list[Perceived], shuffled: np.random.Generator | None = None) -> list[np.ndarray]:
        """Attributes of the test windows of each trial, as the readout predicts them, [n, columns] each.

        Args:
            perceived: embeddings of training and of test windows.
            shuffled: shuffles the attributes of the training windows; None: they stay.
        """
        (training, test), found = perceived, []
        trials = zip(self.withheld, self._rows, strict=True)
        for kinds, rows in track(trials, "trials", len(self.withheld)):
            kept = ~np.isin(self._learned, kinds)
            given = JointReadout(
                {sense: values[kept] for sense, values in training.items()},
                {sense: values[rows] for sense, values in test.items()},
            )
            attributes = self.table[self._learned[kept]]
            if shuffled is not None:
                attributes = shuffled.permutation(attributes)
            wanted = {sense: attributes[:, columns] for sense, columns in self.columns.items()}
            learned_from = self._training.groups[kept]
            self.fitted_on.update(learned_from.tolist())
            read = given(tuple(training), wanted, learned_from)
            found.append(np.concatenate([read[sense] for sense in self.columns], 1))
        return found

    def right(self, read: list[np.ndarray], columns: slice = slice(None)) -> np.ndarray:
        """Whether each judged window is assigned to its own kind by some attributes, and that kind: float [n, 2]."""
        judged = []
        for kinds, rows, attributes in zip(self.withheld, self._rows, read, strict=True):
            own, offered = self._judged[rows], self.table[kinds][:, columns]
            distance = ((attributes[:, None, columns] - offered) ** 2).sum(-1)
            nearest = np.isclose(distance, distance.min(1, keepdims=True))
            share = (nearest & (kinds == own[:, None])).sum(1) / nearest.sum(1)
            judged.append(np.stack([share, own], 1))
        return np.concatenate(judged)
