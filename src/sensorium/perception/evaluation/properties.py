"""Properties of bodies that the hand hits: which sense shows mass, material, friction, restitution and size?

A row is an audible impact of the hand on a body. The features of sight are the vision encoder's grid at the place of
the body, those of hearing the audio encoder's embeddings around the impact, those of touch the body sense. A linear
readout (`readout.py`) is fitted on training recordings. Its predictions at the impacts on a test body are averaged and
compared with the true values by R^2 (for the material by the mean accuracy over classes). No body is in both splits.

The metrics are those of all senses together. Floors: the mean (the most frequent material), all senses with three
untrained encoders, and all senses with plain features in place of the encoders' (gradients, colours and plain numbers
of the pixels around the body; cepstra and statistics of the bands of its sound).
For `mass`, which needs more than one sense (sound shows the material and the pitch, touch the
push), each sense alone is a floor too; for `mass_given_looks`, the logarithm of mass minus that of the true area, and
for the material, sight alone is. Ceiling: the truth of material, shape and size, which determines all properties.
References: each sense alone, and `truth of events`: boosted trees on the impact's true impulse and loudness and on the
velocities of body and hand around it, which show how much the mechanics of an impact reveal of a property.

Material and friction are in `reported`, in the same form, and are no metrics: a readout of untrained audio encoders is
nearly as good for the four materials.

`senses` holds the score of each sense alone for every property, with an interval and whether it is above its floors
(the mean and the same sense with untrained encoders, or with plain features).
Friction and restitution are constants of a material here.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
from sklearn.ensemble import HistGradientBoostingRegressor

from sensorium.data.recording import RecordingSet
from sensorium.data.sources.playroom.materials import MATERIALS, PROPERTIES, SHAPES
from sensorium.data.sources.playroom.scene import ROOM, area
from sensorium.evaluation import figures
from sensorium.evaluation.contract import Evaluation, Result
from sensorium.evaluation.harness import FLOOR_SEEDS, Bench
from sensorium.evaluation.readout import JointReadout, one_hot
from sensorium.evaluation.sample import Sample
from sensorium.evaluation.scores import balanced_accuracy, determination, sums_of_squares
from sensorium.evaluation.statistics import Score, Statistic, measure
from sensorium.perception.config import PropertiesConfig
from sensorium.perception.encoders import AudioEncoder, VisionEncoder
from sensorium.perception.evaluation import impact_features
from sensorium.perception.evaluation.impacts import impacts_for, objects
from sensorium.perception.evaluation.world_readout import ENCODERS
from sensorium.progress import track

REVISION = 3
EVALUATION = Evaluation(__name__, PropertiesConfig, inputs=ENCODERS, control="both encoders")
main = EVALUATION.main

SENSES = ("sight", "hearing", "touch")
REPORTED = ("material", "friction")  # without being metrics
NEED_ALL, NOT_BY_LOOKS = ("mass",), ("mass_given_looks", "material")
PLAIN = "plain features"
KEPT = ("value", "low", "high", "floor", "floor_name", "passed", "baselines")
TITLE = "Properties of bodies that are hit, from all senses"

Readouts = dict[tuple[str, ...], dict[str, np.ndarray]]  # senses used -> property -> samples of its statistic


def judge(bench: Bench, config: PropertiesConfig) -> Result:
    """Read the properties of test bodies from each sense and from all."""
    recordings = bench.parts.recordings()
    training, test = impacts_for(recordings, impact_features.EARLIEST, impact_features.LATEST, config)

    def senses(seed: int | None) -> JointReadout:
        encoders = bench.parts.load(VisionEncoder, seed), bench.parts.load(AudioEncoder, seed)
        return JointReadout(*(perceived(bench, recordings, part, *encoders) for part in (training, test)))

    others = {f"untrained {number}": senses(seed) for number, seed in enumerate(FLOOR_SEEDS)}
    others[PLAIN] = JointReadout(*(plainly_perceived(bench, recordings, part) for part in (training, test)))
    records, alone = property_records(PropertyReader(training, test), senses(bench.untrained_seed), others, config.seed)
    metrics = {name: record for name, record in records.items() if name not in REPORTED}
    notes = {
        "reported": {name: records[name] for name in REPORTED},
        "senses": alone,
        "impacts": {"training": len(training), "test": len(test)},
    }
    return Result(metrics, lambda path: figures.bars(path, records, TITLE, "R squared, or accuracy"), notes)


def property_records(
    reader: PropertyReader, judged: JointReadout, simpler: Mapping[str, JointReadout], seed: int
) -> tuple[dict[str, dict[str, Any]], dict[str, dict[str, Any]]]:
    """A metric for each property from all senses, and what each sense alone reads: property -> sense -> record.

    `simpler` are the same senses with other networks, or with none, by the name of the floor.
    """
    ways = (*((sense,) for sense in SENSES), SENSES)
    networks = track((judged, *simpler.values()), "networks read")
    own, *read = ({way: reader.read(given, way) for way in ways} for given in networks)
    others = dict(zip(simpler, read, strict=True))
    names = track(reader.names, "properties")
    metrics = {name: property_metric(reader, name, own, others, seed) for name in names}
    alone = {
        name: {sense: sense_record(reader, name, sense, own, others, seed) for sense in SENSES} for name in reader.names
    }
    return metrics, alone


def scoring(name: str) -> tuple[Statistic, dict[str, Score]]:
    """The statistic of a property, and its trivial floor."""
    if name == "material":
        return balanced_accuracy, {"most frequent": 1 / len(MATERIALS)}
    return determination, {"mean": 0.0}


def property_metric(
    reader: PropertyReader, name: str, own: Readouts, simpler: Mapping[str, Readouts], seed: int
) -> dict[str, Any]:
    """A property, read from all senses."""
    statistic, trivial = scoring(name)
    each = {sense: own[(sense,)][name] for sense in SENSES}
    needed = SENSES if name in NEED_ALL else ("sight",) if name in NOT_BY_LOOKS else ()
    together = {floor: other[SENSES][name] for floor, other in simpler.items()}
    others = {f"{sense} alone": rows for sense, rows in each.items()}
    return measure(
        name,
        own[SENSES][name],
        reader.groups,
        statistic=statistic,
        reflected=statistic is determination,
        fitted_on=reader.fitted_on,
        baselines=trivial | together | {f"{sense} alone": each[sense] for sense in needed},
        ceilings={"truth of material, shape and size": 1.0},
        references=others | {"truth of events": reader.events(name, seed)},
        seed=seed,
    )


def sense_record(
    reader: PropertyReader, name: str, sense: str, own: Readouts, simpler: Mapping[str, Readouts], seed: int
) -> dict[str, Any]:
    """A property, read from one sense."""
    statistic, trivial = scoring(name)
    others = {} if sense == "touch" else simpler  # touch has no encoder
    record = measure(
        f"{name} by {sense}",
        own[(sense,)][name],
        reader.groups,
        statistic=statistic,
        reflected=statistic is determination,
        fitted_on=reader.fitted_on,
        baselines=trivial | {floor: other[(sense,)][name] for floor, other in others.items()},
        ceilings={"truth": 1.0},
        seed=seed,
    )
    return {key: record[key] for key in KEPT}


def perceived(
    bench: Bench, recordings: RecordingSet, impacts: Sample, vision: VisionEncoder, audio: AudioEncoder
) -> dict[str, np.ndarray]:
    """Features of each impact by sense."""
    return {
        "sight": impact_features.sight(bench, recordings, impacts, vision),
        "hearing": impact_features.hearing(bench, recordings, impacts, audio),
        "touch": impact_features.touch(recordings, impacts),
    }


def plainly_perceived(bench: Bench, recordings: RecordingSet, impacts: Sample) -> dict[str, np.ndarray]:
    """The same without a network."""
    return {
        "sight": impact_features.plain_sight(recordings, impacts),
        "hearing": impact_features.plain_hearing(bench, recordings, impacts),
        "touch": impact_features.touch(recordings, impacts),
    }


class PropertyReader:
    """True properties of bodies, and readouts of them averaged over the impacts on each test body.

    Attributes:
        fitted_on: recordings of the impacts that readouts were fitted on.
    """

    def __init__(self, training: Sample, test: Sample) -> None:
        self._training, self._test = training, test
        self.fitted_on: set[str] = set()
        self._wanted, self._true = properties(training), properties(test)
        _, self._first, self._body = np.unique(objects(test), return_index=True, return_inverse=True)

    @property
    def names(self) -> list[str]:
        """The properties."""
        return list(self._wanted)

    @property
    def groups(self) -> list[str]:
        """Recording of each test body."""
        return list(self._test.groups[self._first])

    def read(self, given: JointReadout, used: tuple[str, ...]) -> dict[str, np.ndarray]:
        """Property -> what its statistic takes of the truth and the prediction for each test body."""
        learned_from = self._training.groups
        self.fitted_on.update(learned_from.tolist())
        read = given(used, self._wanted, learned_from)
        return {name: self._by_body(name, values) for name, values in read.items()}

    def events(self, name: str, seed: int) -> np.ndarray:
        """The same of one property, predicted from the true mechanics of the impacts."""
        rows = [
            np.concatenate([np.log(part["event"] + 1e-3), mechanics(part)], 1) for part in (self._training, self._test)
        ]
        read = []
        for wanted in self._wanted[name].T:
            trees = HistGradientBoostingRegressor(max_iter=80, learning_rate=0.08, max_leaf_nodes=15, random_state=seed)
            read.append(trees.fit(rows[0], wanted).predict(rows[1]))
        return self._by_body(name, np.stack(read, 1))

    def _by_body(self, name: str, read: np.ndarray) -> np.ndarray:
        counts = np.bincount(self._body)
        mean = np.stack([np.bincount(self._body, column) / counts for column in read.T], 1)
        true = self._true[name][self._first]
        if name == "material":
            kind = true.argmax(1)
            return np.stack([mean.argmax(1) == kind, kind], 1).astype(float)
        return sums_of_squares(np.stack([true, mean], -1))


def properties(impacts: Sample) -> dict[str, np.ndarray]:
    """Property -> true values, float [n, D]: a number, or one column for each material."""
    made_of = [PROPERTIES[MATERIALS[number]] for number in impacts["material"]]
    shapes = zip(impacts["shape"], ROOM * impacts["size"], strict=True)
    surface = np.array([area(SHAPES[shape], size) for shape, size in shapes])
    density = np.log([material.density for material in made_of])
    numbers = {
        "size": impacts["size"],
        "mass": density + np.log(surface),
        "mass_given_looks": density,
        "friction": np.array([material.friction for material in made_of]),
        "restitution": np.array([material.elasticity for material in made_of]),
    }
    return {name: values[:, None] for name, values in numbers.items()} | {
        "material": one_hot(impacts["material"], len(MATERIALS))
    }


def mechanics(impacts: Sample) -> np.ndarray:
    """Velocities around an impact, and the logarithms of what changes: float [n, 9]."""
    before, after, hand = impacts["motion"][:, :2], impacts["motion"][:, 2:4], impacts["motion"][:, 4:]
    change = np.log(np.linalg.norm(after - before, axis=1) + 1e-3)
    mass = np.log(impacts["event"][:, 0] + 1e-3) - change
    speeds = [np.linalg.norm(values, axis=1) for values in (before, after, hand)]
    return np.column_stack([before, after, change, mass, *speeds])
