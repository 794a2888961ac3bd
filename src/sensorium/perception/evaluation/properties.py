"""Properties of bodies that the hand strikes: which sense tells mass, material, friction, restitution and size?

A row is an audible strike of a body by the hand. Sight gives the vision encoder's grid where the body is, hearing the
audio encoder's embeddings around the strike, touch the body sense. A linear read-out (`readout.py`) is fitted on
training recordings; of each body in the test recordings the values read at its strikes are averaged, and compared with
its true ones by R^2 (for the material by the mean accuracy over classes). No body is in both.

Judged are all senses together. Floors: the mean (the most frequent material), and all senses with three untrained
encoders; for what more than one sense is needed (`mass`: sound tells the material and the pitch, touch the push) also
each sense alone; for what looks don't tell (`mass_given_looks`, the logarithm of mass less those of the true area)
sight alone. Ceiling: the truth of material, shape and size, from which all of it follows. References: each sense
alone, and `truth of events`: a reader (boosted trees) of the strike's true impulse and loudness and of the velocities
of body and hand around it, which shows how much of a property the mechanics of a strike hold at all.

Material and friction are told in the same form under `beside` and not judged: untrained ears tell the four materials
nearly as well.

`senses` holds, for every property, what each sense reads alone, with intervals and whether it is above its floors (the
mean and the same sense with untrained encoders). Friction and restitution are constants of a material here.
"""

from __future__ import annotations

import time
from typing import Any

import numpy as np
from sklearn.ensemble import HistGradientBoostingRegressor

from sensorium.config import parse_section
from sensorium.data.recording import RecordingSet
from sensorium.data.sources.playroom.materials import MATERIALS, PROPERTIES, SHAPES
from sensorium.data.sources.playroom.scene import ROOM, area
from sensorium.evaluation import figures
from sensorium.evaluation.harness import FLOOR_SEEDS, Bench, arguments
from sensorium.evaluation.readout import JointReadout, one_hot
from sensorium.evaluation.scores import balanced_accuracy, r_squared
from sensorium.evaluation.statistics import Score, Statistic, measure, write_result
from sensorium.models.load import load
from sensorium.perception.config import PropertiesConfig
from sensorium.perception.encoders import AudioEncoder, VisionEncoder
from sensorium.perception.evaluation import impact_senses
from sensorium.perception.evaluation.impacts import Strikes, strikes_for

REVISION = 1
SENSES = ("sight", "hearing", "touch")
BESIDE = ("material", "friction")
NEED_ALL, NOT_BY_LOOKS = ("mass",), ("mass_given_looks", "material")
INPUTS = ("data", "vision", "audio")
TOLD = ("value", "low", "high", "floor", "passed")


def main(argv: list[str]) -> None:
    """Run `sensorium properties`."""
    args = arguments("properties", __doc__, INPUTS, "both encoders").parse_args(argv)
    began, config = time.monotonic(), parse_section(PropertiesConfig, args.config)
    bench, recordings = Bench.prepare(args), RecordingSet.open(args.data)
    training, test = strikes_for(recordings, impact_senses.EARLIEST, impact_senses.LATEST, config)

    def heard_and_seen(seed: int | None) -> JointReadout:
        vision = load(VisionEncoder, args.vision, seed).to(bench.device)
        audio = load(AudioEncoder, args.audio, seed).to(bench.device)
        return JointReadout(*(perceived(bench, recordings, part, vision, audio) for part in (training, test)))

    records, alone = judge(
        Reader(training, test),
        heard_and_seen(args.untrained_seed),
        [heard_and_seen(seed) for seed in FLOOR_SEEDS],
        config.seed,
    )
    metrics = {name: record for name, record in records.items() if name not in BESIDE}
    figures.bars(
        args.figure, records, "Properties of bodies that are struck, from all senses", "R squared, or accuracy"
    )
    write_result(
        args.output,
        "properties",
        metrics,
        {name: getattr(args, name) for name in INPUTS},
        time.monotonic() - began,
        beside={name: records[name] for name in BESIDE},
        senses=alone,
        strikes={"training": len(training), "test": len(test)},
    )


def judge(
    reader: Reader, judged: JointReadout, untrained: list[JointReadout], seed: int
) -> tuple[dict[str, dict[str, Any]], dict[str, dict[str, Any]]]:
    """A metric for each property from all senses, and what each sense tells alone: property -> sense -> record."""
    ways = (*((sense,) for sense in SENSES), SENSES)
    ours, *others_read = ({way: reader.read(given, way) for way in ways} for given in (judged, *untrained))
    metrics: dict[str, dict[str, Any]] = {}
    alone: dict[str, dict[str, Any]] = {}
    for name in reader.names:
        statistic: Statistic = balanced_accuracy if name == "material" else r_squared
        trivial: dict[str, Score] = {"most frequent": 1 / len(MATERIALS)} if name == "material" else {"mean": 0.0}
        each = {sense: ours[(sense,)][name] for sense in SENSES}
        others = {f"{sense} alone": rows for sense, rows in each.items()}
        needed = SENSES if name in NEED_ALL else ("sight",) if name in NOT_BY_LOOKS else ()
        together = {f"untrained {n}": other[SENSES][name] for n, other in enumerate(others_read)}
        metrics[name] = measure(
            name,
            ours[SENSES][name],
            reader.groups,
            statistic=statistic,
            floors=trivial | together | {f"{sense} alone": each[sense] for sense in needed},
            ceilings={"truth of material, shape and size": 1.0},
            references=others | {"truth of events": reader.events(name, seed)},
            seed=seed,
        )
        alone[name] = {}
        for sense, rows in each.items():
            encoders = [] if sense == "touch" else others_read  # touch has no encoder
            floors = trivial | {f"untrained {n}": other[(sense,)][name] for n, other in enumerate(encoders)}
            record = measure(
                f"{name} by {sense}",
                rows,
                reader.groups,
                statistic=statistic,
                floors=floors,
                ceilings={"truth": 1.0},
                seed=seed,
            )
            alone[name][sense] = {key: record[key] for key in TOLD}
    return metrics, alone


def perceived(
    bench: Bench, recordings: RecordingSet, strikes: Strikes, vision: VisionEncoder, audio: AudioEncoder
) -> dict[str, np.ndarray]:
    """What each sense says of each strike."""
    return {
        "sight": impact_senses.sight(bench, recordings, strikes, vision),
        "hearing": impact_senses.hearing(bench, recordings, strikes, audio),
        "touch": impact_senses.touch(recordings, strikes),
    }


class Reader:
    """True properties of the struck bodies, and read-outs of them averaged over the strikes of each test body."""

    def __init__(self, training: Strikes, test: Strikes) -> None:
        self._training, self._test = training, test
        self._wanted, self._true = properties(training), properties(test)
        _, self._first, self._body = np.unique(test.objects, return_index=True, return_inverse=True)

    @property
    def names(self) -> list[str]:
        """The properties."""
        return list(self._wanted)

    @property
    def groups(self) -> list[str]:
        """Recording of each test body."""
        return list(self._test.recording[self._first])

    def read(self, given: JointReadout, used: tuple[str, ...]) -> dict[str, np.ndarray]:
        """Property -> truth and value read for each test body, as its statistic takes them."""
        told = given(used, self._wanted, self._training.recording)
        return {name: self._judge(name, values) for name, values in told.items()}

    def events(self, name: str, seed: int) -> np.ndarray:
        """The same, read from the truth of the strikes."""
        rows = [
            np.concatenate([np.log(part.event + 1e-3), mechanics(part)], 1) for part in (self._training, self._test)
        ]
        told = []
        for wanted in self._wanted[name].T:
            trees = HistGradientBoostingRegressor(max_iter=80, learning_rate=0.08, max_leaf_nodes=15, random_state=seed)
            told.append(trees.fit(rows[0], wanted).predict(rows[1]))
        return self._judge(name, np.stack(told, 1))

    def _judge(self, name: str, told: np.ndarray) -> np.ndarray:
        counts = np.bincount(self._body)
        mean = np.stack([np.bincount(self._body, column) / counts for column in told.T], 1)
        true = self._true[name][self._first]
        if name == "material":
            kind = true.argmax(1)
            return np.stack([mean.argmax(1) == kind, kind], 1).astype(float)
        return np.stack([true, mean], -1)


def properties(strikes: Strikes) -> dict[str, np.ndarray]:
    """Property -> true values, float [n, D]: a number, or one column a material."""
    made_of = [PROPERTIES[MATERIALS[number]] for number in strikes.material]
    shapes = zip(strikes.shape, ROOM * strikes.size, strict=True)
    surface = np.array([area(SHAPES[shape], size) for shape, size in shapes])
    density = np.log([material.density for material in made_of])
    numbers = {
        "size": strikes.size,
        "mass": density + np.log(surface),
        "mass_given_looks": density,
        "friction": np.array([material.friction for material in made_of]),
        "restitution": np.array([material.elasticity for material in made_of]),
    }
    return {name: values[:, None] for name, values in numbers.items()} | {
        "material": one_hot(strikes.material, len(MATERIALS))
    }


def mechanics(strikes: Strikes) -> np.ndarray:
    """Velocities around a strike, and the logarithms of what changes: float [n, 9]."""
    before, after, hand = strikes.motion[:, :2], strikes.motion[:, 2:4], strikes.motion[:, 4:]
    change = np.log(np.linalg.norm(after - before, axis=1) + 1e-3)
    mass = np.log(strikes.event[:, 0] + 1e-3) - change
    speeds = [np.linalg.norm(values, axis=1) for values in (before, after, hand)]
    return np.column_stack([before, after, change, mass, *speeds])
