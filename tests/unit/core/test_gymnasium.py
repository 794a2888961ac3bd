"""Gymnasium as a source: a function of (seed, number), episodes that end inside recordings, refusals before a run.

The environment is a toy (`toy_gymnasium`). Those of other packages are tried where they are installed.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest

pytest.importorskip("gymnasium", reason="the package gymnasium is not installed")

import toy_gymnasium

from sensorium.config import AnyData, ConfigurationError, GymnasiumConfig, parse, parse_section
from sensorium.config import gymnasium as settings
from sensorium.config.counts import recorded, set_bytes
from sensorium.data import collect, index, sources
from sensorium.data.quarantine import BadDataError, check
from sensorium.data.recording import RecordingSet
from sensorium.data.sources import gymnasium as source
from sensorium.data.worlds.probe import probe

TOYS = Path(toy_gymnasium.__file__).parent


def toy(name: str = "Counter-v0", **changes: Any) -> GymnasiumConfig:
    """A section of the toy environment."""
    values = {"source": "gymnasium", "environment": f"toy_gymnasium:{name}", "leave_out": ["word", "inner.eye"]}
    values |= {"recordings": 12, "shards": 1, "frames": 16, "size": 24}
    return parse(AnyData, values | changes)


@pytest.fixture
def found(monkeypatch: pytest.MonkeyPatch) -> None:
    """Let other processes import the toy."""
    monkeypatch.setenv("PYTHONPATH", str(TOYS), prepend=":")
    settings.described.cache_clear()


def counts(recording: dict[str, np.ndarray]) -> list[int]:
    """What the toy had counted in each frame."""
    return (recording["video"][:, 5, 5, 0] // 10).tolist()


def test_an_episode_that_ends_is_followed_by_another() -> None:
    recording = source.simulate(toy(), 1)
    assert counts(recording) == [1, 2, 3, 4, 5, 0, 1, 2, 3, 4, 5, 0, 1, 2, 3, 4]
    assert np.flatnonzero(recording["continue"] == 0).tolist() == [4, 10]
    assert not recording["truth.truncated"].any()
    choices = recording["action"] - 1  # the toy's are -1, 0 and 1, and are what is earned
    choices[[5, 11]] = 0  # nothing is earned at a beginning
    np.testing.assert_array_equal(recording["reward"], choices)
    draws = recording["body"][:, 1:].argmax(1)
    assert len(set(draws[:5])) == len(set(draws[5:11])) == 1 < len(set(draws))


def test_a_time_limit_is_no_end_of_the_world() -> None:
    recording = source.simulate(toy("Limited-v0"), 1)
    assert counts(recording)[:6] == [1, 2, 3, 4, 0, 1]
    assert np.flatnonzero(recording["truth.truncated"]).tolist() == [3, 8, 13]
    assert (recording["continue"] == 1).all()


def test_a_recording_is_what_its_details_say_and_a_function_of_seed_and_number() -> None:
    config = toy(policy="sticky", warm_up=7)
    recording = source.simulate(config, 3)
    details = source.details(config)
    assert check(recording, {**details, "simulated": True}, 16) is None
    assert (details["action"], details["body"], details["frames_per_second"]) == (
        {"kind": "discrete", "size": 3},
        1001,
        12,
    )
    np.random.default_rng(0).random()
    source.simulate(config, 2)
    again = source.simulate(config, 3)
    assert {name: array.tobytes() for name, array in recording.items()} == {n: a.tobytes() for n, a in again.items()}
    for other in (source.simulate(config, 4), source.simulate(config.model_copy(update={"seed": 1}), 3)):
        assert (other["action"] != recording["action"]).any()
        assert (other["body"] != recording["body"]).any()


def test_playing_a_recording_again_gives_the_recording() -> None:
    config = toy(arguments={"kind": "box"}, warm_up=3)
    played, recording = sources.module("gymnasium").environment(config), source.simulate(config, 5)
    first = played.reset(5)
    assert (first.done, first.sound.size, played.expert()) == (False, 0, None)
    for frame in range(config.frames):
        np.testing.assert_array_equal(action := played.habit(), recording["action"][frame])
        seen = played.step(action)
        np.testing.assert_array_equal(seen.frame, recording["video"][frame])
        np.testing.assert_array_equal(seen.body, recording["body"][frame])
        assert np.float32(seen.reward) == recording["reward"][frame]
        assert (seen.terminated, seen.done) == (recording["continue"][frame] == 0, frame == config.frames - 1)
    assert played.rest().tolist() == [0, 0]
    assert sources.is_simulator("gymnasium")


def test_warm_ups_begin_recordings_differently_and_repeats_add_up() -> None:
    begun = {counts(source.simulate(toy(warm_up=40, arguments={"lasts": 0}), number))[0] for number in range(8)}
    assert len(begun) > 3
    plain, held = source.simulate(toy(arguments={"lasts": 0}), 0), source.simulate(toy(action_repeat=3), 0)
    assert counts(held)[:4] == [3, 5, 0, 3], "an episode ends within a frame"
    np.testing.assert_array_equal(held["reward"][:3], [3, 2, 0] * (held["action"][:3] - 1))
    assert counts(plain)[:4] == [1, 2, 3, 4]
    assert source.details(toy(action_repeat=3))["frames_per_second"] == 4


def test_policies_by_name() -> None:
    def repeated(**changes: Any) -> float:
        actions = source.simulate(toy(frames=2000, size=16, **changes), 0)["action"]
        return float((actions[1:] == actions[:-1]).mean())

    assert repeated() == pytest.approx(1 / 3, abs=0.04)
    assert repeated(policy="sticky", stickiness=0.7) == pytest.approx(0.7 + 0.3 / 3, abs=0.04)
    acted = source.simulate(toy(policy="toy_gymnasium:last"), 0)
    assert acted["action"].tolist() == [2, 0, 2, 0, 2, 0] * 2 + [2, 0, 2, 0]


def test_what_fails_while_it_is_played_is_in_quarantine(tmp_path: Path) -> None:
    with pytest.raises(BadDataError, match=r"1 of 12 recordings are bad.*RuntimeError: out of order"):
        collect.collect(toy(arguments={"breaks": 5}), 0, tmp_path / "shard-0000.safetensors")


def test_any_number_of_processes_makes_the_same_set(tmp_path: Path) -> None:
    sets = []
    for shards in (1, 3):
        text = json.dumps(toy(shards=shards, test_fraction=0.25).model_dump(mode="json"))
        paths = [tmp_path / str(shards) / f"shard-{k:04d}.safetensors" for k in range(shards)]
        for k, path in enumerate(paths):
            collect.main(["--config", text, "--shard", str(k), "--output", str(path)])
        lists = [str(path.with_suffix(".json")) for path in paths]
        manifest = tmp_path / str(shards) / "manifest.json"
        index.main(["--config", text, "--shards", *lists, "--output", str(manifest)])
        sets.append(RecordingSet.open(manifest))
    one, three = sets
    assert one.has("continue")
    for name in one.names("training"):
        for field in ("video", "action", "reward", "continue", "body"):
            np.testing.assert_array_equal(one.field(name, field), three.field(name, field))


def test_settings_are_tried_in_another_process(found: None, tmp_path: Path) -> None:
    config = toy(arguments={"kind": "box"})
    config.check()
    assert recorded(config).action == {"kind": "continuous", "size": 2}
    shard = tmp_path / "shard-0000.safetensors"
    collect.collect(config, 0, shard)
    assert set_bytes(config) == pytest.approx(shard.stat().st_size, rel=0.02)
    assert parse_section(AnyData, json.dumps(config.model_dump(mode="json"))) == config


@pytest.mark.parametrize(
    ("changes", "named"),
    [
        ({"environment": "Nowhere-v0"}, r"environment = 'Nowhere-v0': .* module:id"),
        ({"environment": "no_package:Any-v0"}, "needs the module no_package, which is not installed; install"),
        ({"environment": "toy_gymnasium:Countre-v0"}, "Did you mean: `Counter`"),
        ({"leave_out": ["inner.eye"]}, r"'word' is a Text space.*leave_out: \[word\]"),
        ({"picture": "count"}, "picture names 'count', which is Box"),
        ({"arguments": {"kind": "unbounded"}}, "its actions have no bounds"),
        ({"arguments": {"kind": "text"}}, "its actions are a Text space"),
        ({"arguments": {"colour": "red"}}, r"TypeError: .*colour.*see arguments = \{'colour': 'red'\}"),
        ({"arguments": {"breaks": 2}}, "fails in its first frames: RuntimeError: out of order"),
        ({"policy": "no_module:act"}, "policy = 'no_module:act': No module named 'no_module'"),
        ({"policy": "toy_gymnasium:first"}, "has no attribute 'first'"),
        ({"policy": "toy_gymnasium:KINDS"}, "dict KINDS cannot be called"),
        ({"policy": "toy_gymnasium:astray"}, "under policy = 'toy_gymnasium:astray': ValueError"),
    ],
    ids=str,
)
def test_what_cannot_be_recorded_is_refused_by_name(changes: dict[str, Any], named: str) -> None:
    with pytest.raises(ConfigurationError, match=named):
        probe(toy(**changes))


def test_no_pictures_no_recordings(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(toy_gymnasium.Counter.metadata, "render_modes", ["ansi"])
    with pytest.raises(ConfigurationError, match=r"renders ansi, no pictures \(rgb_array\).*picture: observation"):
        probe(toy())
    assert probe(toy(picture="inner.eye", leave_out=["word"]))["body"] == 1001


@pytest.mark.parametrize(
    ("changes", "named"),
    [
        ({"policy": "best"}, "policy is 'best': it must be one of random, sticky, or module:function"),
        ({"stickiness": 1.0}, "stickiness"),
        ({"action_repeat": 0}, "action_repeat"),
        ({"arguments": {"a": [1]}}, r"a is \[1\]: true or false"),
        ({"arguments": 3}, "a mapping of names to values is needed"),
        ({"environment": ""}, "environment"),
    ],
    ids=str,
)
def test_settings_with_bounds(changes: dict[str, Any], named: str) -> None:
    with pytest.raises(ConfigurationError, match=named):
        toy(**changes)


def test_a_process_that_dies_or_hangs_and_a_package_that_is_missing(
    found: None, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(settings, "PROBE", "this")  # a module that prints no answer
    with pytest.raises(ConfigurationError, match="the process that tried it ended with exit 0"):
        toy().check()
    monkeypatch.setattr(settings, "PROBE_SECONDS", 0.001)
    with pytest.raises(ConfigurationError, match=r"no first frames after 0.001 s"):
        toy().check()
    monkeypatch.setattr("sensorium.config.probing.find_spec", lambda name: None)
    with pytest.raises(ConfigurationError, match=r"is not installed; .*pip install 'sensorium\[gymnasium\]'"):
        toy().check()


OTHERS = {
    "CartPole-v1": ("pygame", {}),
    "minigrid:MiniGrid-DoorKey-5x5-v0": ("minigrid", {"leave_out": ["mission"]}),
    "LunarLander-v3": ("Box2D", {"arguments": {"continuous": True}}),
    "crafter_environment:Crafter-v0": ("crafter", {"picture": "observation", "size": 64}),
    "stable_worldmodel:swm/TwoRoom-v1": ("stable_worldmodel", {}),
    "stable_worldmodel:swm/PushT-v1": ("stable_worldmodel", {}),
}


@pytest.mark.parametrize("environment", OTHERS)
def test_environments_that_others_wrote(environment: str, monkeypatch: pytest.MonkeyPatch) -> None:
    package, changes = OTHERS[environment]
    pytest.importorskip(package, reason=f"the package {package} is not installed")
    monkeypatch.syspath_prepend(Path(__file__).parents[3] / "examples")
    config = toy(**{"environment": environment, "leave_out": [], "size": 32, **changes})
    first, again, other = (source.simulate(config, number) for number in (0, 0, 1))
    assert check(first, {**source.details(config), "simulated": True}, 16) is None
    np.testing.assert_array_equal(first["action"], again["action"])
    if package != "crafter":  # which chooses among objects in the order of their addresses in memory
        assert {name: array.tobytes() for name, array in first.items()} == {n: a.tobytes() for n, a in again.items()}
    assert (first["action"] != other["action"]).any()
    assert np.ptp(first["video"].astype(int), axis=0).any(), "something moves"
