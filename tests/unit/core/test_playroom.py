"""The playroom: repeatable, audible, seen, and honest about what each sense gives away."""

from __future__ import annotations

import numpy as np
import pytest
from sklearn.linear_model import LogisticRegression
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from sensorium.config import PlayroomConfig
from sensorium.data.sample_formats import LARGEST_SAMPLE, WHITE
from sensorium.data.sources.playroom import BODY_NAMES, STATE_NAMES, Intervention, details, simulate
from sensorium.data.sources.playroom.materials import MATERIALS

CONFIG = PlayroomConfig()
TRAINING = 90  # of the recordings below; the rest are held out


@pytest.fixture(scope="module")
def recordings() -> list[dict[str, np.ndarray]]:
    return [simulate(CONFIG, number) for number in range(130)]


def same(first: dict[str, np.ndarray], second: dict[str, np.ndarray], frames: int | None = None) -> bool:
    video, sound = frames, None if frames is None else frames * 1000
    return np.array_equal(first["video"][:video], second["video"][:video]) and np.array_equal(
        first["audio"][:sound], second["audio"][:sound]
    )


@pytest.mark.parametrize("size", [32, 64])
def test_fields_have_their_types_and_shapes(size: int) -> None:
    config = PlayroomConfig(size=size, frames=20)
    record = simulate(config, 3)
    events = len(record["truth.events"])
    expected = {
        "video": ("uint8", (20, size, size, 3)),
        "audio": ("int16", (20_000,)),
        "action": ("float32", (20, 2)),
        "body": ("float32", (20, len(BODY_NAMES))),
        "truth.vision_label": ("int64", (20,)),
        "truth.audio_label": ("int64", (20,)),
        "truth.state": ("float32", (20, len(STATE_NAMES))),
        "truth.material": ("int64", (4,)),
        "truth.shape": ("int64", (4,)),
        "truth.size": ("float32", (4,)),
        "truth.position": ("float32", (20, 4, 2)),
        "truth.velocity": ("float32", (20, 4, 2)),
        "truth.angle": ("float32", (20, 4)),
        "truth.impulse": ("float32", (20, 4)),
        "truth.events": ("float32", (events, 5)),
    }
    assert {name: (str(array.dtype), array.shape) for name, array in record.items()} == expected
    told = details(config)
    assert (told["size"], told["body"], told["samples_per_frame"]) == (size, 12, 1000)
    assert told["labels"]["audio"]["classes"] == list(MATERIALS)


def test_a_recording_is_a_function_of_seed_and_number(recordings: list[dict[str, np.ndarray]]) -> None:
    again = simulate(CONFIG, 5)
    assert all(np.array_equal(again[name], recordings[5][name], equal_nan=True) for name in again)
    assert not same(recordings[5], recordings[6])
    assert not same(recordings[5], simulate(PlayroomConfig(seed=1), 5))


def test_truth_agrees_with_itself(recordings: list[dict[str, np.ndarray]]) -> None:
    for record in recordings:
        count = int((record["truth.material"] >= 0).sum())
        assert (record["truth.vision_label"] == count - 1).all()
        present = np.isfinite(record["truth.position"]).all(axis=(0, 2))
        assert present.sum() == count
        inside = record["truth.position"][:, present]
        assert inside.min() > 0.04, "pushed through a wall"
        assert inside.max() < 0.96, "pushed through a wall"
        for name in ("body", "action", "truth.state"):
            assert np.isfinite(record[name]).all()
        struck = np.zeros((CONFIG.frames, 4))
        for time, body, _, impulse, _ in record["truth.events"]:
            struck[int(time * 16 + 1e-6), int(body)] += impulse
        np.testing.assert_allclose(record["truth.impulse"], struck, rtol=1e-3, atol=1e-3)


def test_the_hand_is_pushed_away_from_what_it_touches(recordings: list[dict[str, np.ndarray]]) -> None:
    away = []
    for record in recordings:
        gap = record["truth.state"][:, 0:2] - record["truth.state"][:, 4:6]  # from the nearest body to the hand
        push = record["body"][:, 6:8]
        away.append(np.sum(gap * push, axis=1)[np.abs(push).sum(axis=1) > 0.2] > 0)
    assert np.concatenate(away).mean() > 0.9


def test_a_new_material_changes_nothing_before_the_body_is_touched(recordings: list[dict[str, np.ndarray]]) -> None:
    for number in range(20):
        before = recordings[number]
        other = MATERIALS[(before["truth.material"][0] + 1) % 4]
        after = simulate(CONFIG, number, Intervention(materials={0: other}))
        events = [record["truth.events"] for record in (before, after)]
        contact = min(e[(e[:, 1] == 0) | (e[:, 2] == 0)][:, 0].min(initial=4.0) for e in events)
        touch = np.flatnonzero(before["body"][:, BODY_NAMES.index("touching")])
        untouched = min(int(contact * 16), int(touch.min(initial=CONFIG.frames)))
        assert same(before, after, untouched)
        assert not np.array_equal(before["audio"], after["audio"])
        assert after["truth.material"][0] == MATERIALS.index(other)


def test_other_actions_leave_the_past_alone_and_move_pixels(recordings: list[dict[str, np.ndarray]]) -> None:
    actions = recordings[2]["action"].copy()
    assert same(recordings[2], simulate(CONFIG, 2, Intervention(actions=actions)))
    actions[20:] = np.where(actions[20:] > 0, -1, 1)
    after = simulate(CONFIG, 2, Intervention(actions=actions))
    assert same(recordings[2], after, 20)
    changed = np.abs(recordings[2]["video"][23].astype(int) - after["video"][23]).max(axis=2) > 30
    assert changed.sum() >= 20  # a hand of about 30 pixels stands elsewhere three frames later


def test_interventions_do_what_they_say(recordings: list[dict[str, np.ndarray]]) -> None:
    number = next(n for n, r in enumerate(recordings) if (r["truth.material"] >= 0).sum() == 4)
    removed = simulate(CONFIG, number, Intervention(remove=frozenset({1})))
    assert removed["truth.material"][1] == -1
    assert np.isnan(removed["truth.position"][:, 1]).all()
    still = Intervention(actions=np.zeros((CONFIG.frames, 2)))
    floating = Intervention(balloons=frozenset({0}), actions=np.zeros((CONFIG.frames, 2)))
    fallen, risen = (simulate(CONFIG, number, change)["truth.position"][-1, 0, 1] for change in (still, floating))
    assert risen < 0.4 < fallen  # y points down
    noisy = simulate(CONFIG, number, Intervention(television=True))
    assert not np.array_equal(noisy["video"][:, :8, 24:], recordings[number]["video"][:, :8, 24:])
    assert np.array_equal(noisy["video"][:, 8:], recordings[number]["video"][:, 8:])
    alone = simulate(PlayroomConfig(max_bodies=1), 0, Intervention(remove=frozenset({0})))
    assert np.isnan(alone["truth.state"][:, 4:12]).all()


def test_an_impossible_intervention_is_named() -> None:
    lonely = PlayroomConfig(max_bodies=1)
    with pytest.raises(ValueError, match=r"body 2: this room has bodies \[0\]"):
        simulate(lonely, 0, Intervention(remove=frozenset({2})))
    with pytest.raises(ValueError, match="material 'cheese'"):
        simulate(lonely, 0, Intervention(materials={0: "cheese"}))
    with pytest.raises(ValueError, match=r"shape \(3, 2\)"):
        simulate(lonely, 0, Intervention(actions=np.zeros((3, 2))))


def test_impacts_are_heard_and_nothing_clips(recordings: list[dict[str, np.ndarray]]) -> None:
    assert max(np.abs(record["audio"].astype(int)).max() for record in recordings) < 0.99 * LARGEST_SAMPLE
    rises, labelled = [], []
    for record in recordings:
        sound = record["audio"].astype(np.float64) / LARGEST_SAMPLE
        labelled.append((record["truth.audio_label"] >= 0).mean())
        last = -1.0
        for time, _, _, _, amplitude in record["truth.events"]:
            start = round(time * 16000)
            if amplitude > 0.2 and time - last > 0.2 and 0.2 < time < 3.9:
                before, after = np.square(sound[start - 400 : start + 400]).reshape(2, 400).mean(axis=1)
                rises.append(after / before)
            last = time
    assert len(rises) > 30
    assert np.median(rises) > 30  # 15 dB louder than just before, room noise and old ringing included
    assert np.mean(np.array(rises) > 1.5) > 0.95
    assert np.mean(labelled) > 0.08


def test_the_hand_keeps_things_moving(recordings: list[dict[str, np.ndarray]]) -> None:
    video = np.stack([record["video"] for record in recordings]).astype(np.float32) / WHITE
    error = np.square(video[:, 4:] - video[:, :-4]).mean(axis=(2, 3, 4))
    assert 17 < -10 * np.log10(error.mean()) < 24  # persistence over four frames, in decibels
    assert (error.mean(axis=1) > 1e-3).all()  # no recording sleeps


def bands(sound: np.ndarray) -> np.ndarray:
    """Log energies of one frame of sound in 16 bands at 4 times."""
    spectrum = np.abs(np.fft.rfft(sound.reshape(4, 250) / LARGEST_SAMPLE * np.hanning(250), axis=1))
    edges = np.unique(np.geomspace(1, 126, 17).astype(int))[:-1]
    return np.log(np.add.reduceat(spectrum, edges, axis=1) + 1e-3).ravel()


def colour(record: dict[str, np.ndarray], body: int) -> np.ndarray:
    """Mean colour around a body's centre."""
    size = CONFIG.size
    places = np.clip(np.round(record["truth.position"][::8, body] * size - 0.5).astype(int), 3, size - 4)
    patches = [record["video"][8 * t, y - 2 : y + 3, x - 2 : x + 3] for t, (x, y) in enumerate(places)]
    return np.mean(patches, axis=(0, 1, 2)) / WHITE


def held_out_accuracy(features: list[np.ndarray], classes: list[int], numbers: list[int]) -> float:
    """Balanced accuracy of a linear classifier on recordings it was not fitted to."""
    x, y, training = np.array(features), np.array(classes), np.array(numbers) < TRAINING
    model = make_pipeline(StandardScaler(), LogisticRegression(max_iter=300, C=0.3, class_weight="balanced"))
    right = model.fit(x[training], y[training]).predict(x[~training]) == y[~training]
    return float(np.mean([right[y[~training] == kind].mean() for kind in range(4)]))


def test_sound_tells_the_material_and_colour_does_not(recordings: list[dict[str, np.ndarray]]) -> None:
    heard = [
        (bands(record["audio"][1000 * t : 1000 * (t + 1)]), record["truth.audio_label"][t], number)
        for number, record in enumerate(recordings)
        for t in np.flatnonzero(record["truth.audio_label"] >= 0)
    ]
    seen = [
        (colour(record, body), record["truth.material"][body], number)
        for number, record in enumerate(recordings)
        for body in np.flatnonzero(record["truth.material"] >= 0)
    ]
    assert held_out_accuracy(*map(list, zip(*heard, strict=True))) > 0.9
    assert held_out_accuracy(*map(list, zip(*seen, strict=True))) < 0.42  # chance is 0.25
