"""Properties of bodies that are hit: the truth of impacts, readouts from several senses, and the evaluation."""

from __future__ import annotations

import json
from pathlib import Path
from types import ModuleType, SimpleNamespace
from typing import Any

import numpy as np
import pytest
from toy_playroom import CONFIG, ToyPlayroom
from toy_world import ToyWorld

from sensorium.artifacts import ArtifactError
from sensorium.config import Section, canonical_json
from sensorium.data.recording import RecordingSet
from sensorium.data.sources import playroom
from sensorium.data.sources.playroom.materials import MATERIALS, PROPERTIES, SHAPES
from sensorium.data.sources.playroom.scene import area, draw_scene
from sensorium.evaluation.readout import JointReadout, one_hot
from sensorium.evaluation.sample import Sample
from sensorium.evaluation.statistics import LeakError, baseline_values
from sensorium.perception.config import PropertiesConfig
from sensorium.perception.evaluation import impact_features, properties
from sensorium.perception.evaluation.impacts import draw_impacts, frames_of, impacts_for, kinds

SECTIONS: dict[ModuleType, Section] = {properties: PropertiesConfig()}


@pytest.fixture(scope="module")
def room(tmp_path_factory: pytest.TempPathFactory) -> ToyPlayroom:
    """A small playroom with a trained audio encoder."""
    return ToyPlayroom(tmp_path_factory.mktemp("room"))


def evaluate(module: ModuleType, room: Any, folder: Path, *more: str) -> dict[str, Any]:
    """Run one evaluation by its command line; its result."""
    argv = ["--config", canonical_json(SECTIONS[module]), "--device", "cpu", "--threads", "1"]
    for key in ("data", "vision", "audio"):
        argv += [f"--{key}", str(getattr(room, key))]
    module.main([*argv, "--output", str(folder / "r.json"), "--figure", str(folder / "f.png"), *more])
    return json.loads((folder / "r.json").read_text())


def test_areas_are_those_of_the_simulator() -> None:
    """Mass is density times area, as pymunk has it."""
    for number in range(6):
        scene = draw_scene(CONFIG, number)
        for body, mass in zip(scene.bodies, [b and b.mass for b in playroom.RoomSimulation(scene).bodies], strict=True):
            if body is not None:
                expected = PROPERTIES[body.material].density * area(body.shape, body.size) / 450
                assert expected == pytest.approx(mass, rel=1e-3)


def test_impacts_are_those_of_the_hand(room: ToyPlayroom) -> None:
    """Each is an audible event of the hand in its frame; its body is what the scene says."""
    impacts = draw_impacts(room.recordings, "test", 4, 7, 60, np.random.default_rng(0))
    assert len(impacts) == 60
    assert len(set(impacts.groups)) > 30, "spread over the recordings"
    for name, frame, body, material, shape in zip(
        impacts.groups, impacts.start, impacts["body"], impacts["material"], impacts["shape"], strict=True
    ):
        events = room.recordings.field(name, "truth.events")
        here = events[(frames_of(room.recordings, name) == frame) & (events[:, 1] == body) & (events[:, 2] == -1)]
        assert here[:, 4].max() >= 0.05
        assert 4 <= frame < CONFIG.frames - 7
        made = draw_scene(CONFIG, int(name[-3:])).bodies[body]
        assert (MATERIALS[material], SHAPES[shape]) == (made.material, made.shape)


def test_kinds_agree_with_the_labels_of_sound(room: ToyPlayroom) -> None:
    """Where a material dominates a frame, the kind has that material; elsewhere there is none."""
    for name in room.recordings.names("test")[:10]:
        labels, found = room.recordings.field(name, "truth.audio_label"), kinds(room.recordings, name)
        assert ((found >= 0) == (labels >= 0)).all()
        assert (found[found >= 0] // len(SHAPES) == labels[labels >= 0]).all()


def test_a_world_without_impacts_is_refused(world: ToyWorld) -> None:
    """By name."""
    with pytest.raises(ArtifactError, match="hold no impacts"):
        impacts_for(RecordingSet.open(world.data), 1, 1, PropertiesConfig())


def test_a_readout_combines_senses_and_ignores_noise() -> None:
    """The sum of two senses is read out of both, of neither alone; a third sense of pure noise does no harm."""
    rng = np.random.default_rng(0)
    hidden = rng.normal(size=(900, 2))
    views = {
        "first": np.outer(hidden[:, 0], rng.normal(size=20)) + 0.1 * rng.normal(size=(900, 20)),
        "second": np.outer(hidden[:, 1], rng.normal(size=300)) + 0.1 * rng.normal(size=(900, 300)),
        "noise": rng.normal(size=(900, 80)),
    }
    wanted, groups = hidden.sum(1, keepdims=True), np.repeat(np.arange(90), 10)
    given = JointReadout({k: v[:600] for k, v in views.items()}, {k: v[600:] for k, v in views.items()})

    def r2(*names: str) -> float:
        predicted = given(names, {"sum": wanted[:600]}, groups[:600])["sum"]
        return 1 - float(((predicted - wanted[600:]) ** 2).mean() / wanted[600:].var())

    assert r2("first", "second") > 0.97
    assert r2("first", "second", "noise") > 0.95
    assert 0.3 < r2("first") < 0.7
    assert 0.3 < r2("second") < 0.7
    assert -0.1 < r2("noise") < 0.1


def made_up(count: int, rng: np.random.Generator, split: str = "training") -> Sample:
    """Three impacts on each of `count` random bodies, two bodies a recording."""
    bodies = np.repeat(np.arange(count), 3)
    material, shape, size = rng.integers(0, 4, count), rng.integers(0, 4, count), rng.uniform(0.07, 0.13, count)
    return Sample(
        np.array([f"{split}-{number // 2:03d}" for number in bodies]),
        np.arange(len(bodies)),
        {
            "body": bodies % 2,
            "material": material[bodies],
            "shape": shape[bodies],
            "size": size[bodies],
            "place": np.zeros((len(bodies), 2)),
            "event": rng.uniform(1, 2, (len(bodies), 2)),
            "motion": rng.normal(size=(len(bodies), 6)),
        },
    )


@pytest.mark.parametrize("felt", [True, False])
def test_mass_passes_only_if_it_needs_more_than_one_sense(felt: bool) -> None:
    """Hearing shows the material and touch the mass, roughly: both together are better. Touch of noise adds nothing."""
    rng = np.random.default_rng(0)
    training, test = made_up(200, rng), made_up(120, rng, "test")

    def senses(trained: bool) -> JointReadout:
        parts = []
        for impacts in (training, test):
            true = properties.properties(impacts)
            noise = rng.normal(size=(len(impacts), 8))
            heard = np.concatenate([one_hot(impacts["material"], 4) + 0.3 * noise[:, :4], noise[:, 4:]], 1)
            push = true["mass"] + 0.8 * rng.normal(size=true["mass"].shape) if felt else noise[:, :1]
            hearing = heard if trained else rng.normal(size=heard.shape)
            parts.append({"sight": rng.normal(size=(len(impacts), 6)), "hearing": hearing, "touch": push})
        return JointReadout(*parts)

    metrics, alone = properties.property_records(
        properties.PropertyReader(training, test), senses(True), {f"untrained {n}": senses(False) for n in range(3)}, 0
    )
    assert metrics["mass"]["passed"] == felt
    assert metrics["mass_given_looks"]["passed"]
    assert metrics["material"]["passed"]
    assert not metrics["size"]["passed"], "no sense shows it here"
    assert not any(record["sight"]["passed"] for record in alone.values()), "it is blind"
    assert alone["mass"]["touch"]["passed"] == felt


def test_plain_sight_is_of_the_pixels_around_the_body() -> None:
    """A red square to the right and above the middle is seen at its place alone, and at the very edge, too."""
    film = np.zeros((1, 32, 32, 3), np.uint8)
    film[0, 4:8, 24:28, 0] = 255
    recordings: Any = SimpleNamespace(field=lambda name, field: film)
    places = np.array([[26 / 32, 6 / 32], [6 / 32, 26 / 32], [1.0, 0.0]])
    impacts = Sample(np.array(["a"] * 3), np.zeros(3, int), {"place": places})
    seen = impact_features.plain_sight(recordings, impacts)
    used = seen[:, -1]  # colours
    assert used.tolist() == [2, 1, 2]
    assert np.isfinite(seen).all()


def test_a_readout_of_judged_bodies_is_refused() -> None:
    """Both samples of the same recordings."""
    rng = np.random.default_rng(0)
    test = made_up(40, rng, "test")
    given = {"touch": rng.normal(size=(len(test), 4))}
    reader = properties.PropertyReader(test, test)
    samples = reader.read(JointReadout(given, given), ("touch",))["size"]
    own: Any = {(sense,): {"size": samples} for sense in properties.SENSES}
    with pytest.raises(LeakError, match="size by touch: fitted on 20 of the recordings that judge it"):
        properties.sense_record(reader, "size", "touch", own, {}, 0)


def test_properties_pass_with_a_trained_audio_encoder_and_fail_with_untrained_ones(
    room: ToyPlayroom, tmp_path: Path
) -> None:
    """Beside what does not learn; plain features of a toy's sounds are as good, and mass is read by hearing alone.

    The vision encoder is not trained: it is at its floor.
    """

    def learned(record: dict[str, Any]) -> bool:
        margins = {each["name"]: each["margin"]["low"] for each in record["baselines"]}
        return all(low > 0 for name, low in margins.items() if name.startswith(("mean", "untrained")))

    result = evaluate(properties, room, tmp_path)
    assert set(result["metrics"]) == {"size", "mass", "mass_given_looks", "restitution"}
    assert set(result["reported"]) == {"material", "friction"}
    for name, record in result["metrics"].items():
        assert learned(record) or name == "mass", (name, record)
        assert record["value"] > max(
            value for key, value in baseline_values(record).items() if key.startswith("untrained")
        )
        assert not result["senses"][name]["sight"]["passed"]
        assert learned(result["senses"][name]["hearing"])
    mechanics = {name: record["references"]["truth of events"] for name, record in result["metrics"].items()}
    assert mechanics["mass"] > max(mechanics["size"], mechanics["restitution"]), "push over change of velocity is mass"
    assert (tmp_path / "f.png").read_bytes().startswith(b"\x89PNG")
    untrained = evaluate(properties, room, tmp_path, "--untrained-seed", "101")["metrics"]
    assert [name for name, record in untrained.items() if record["passed"]] == []
