"""`control`: a drawn hand is found where it is, and no dream passes that stands still or loses its bodies."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
import torch
from toy_world import ToyWorld

from sensorium.artifacts import ArtifactError, write_manifest
from sensorium.config import PlayroomConfig, canonical_json
from sensorium.data.recording import KIND, RecordingSet, Split, write_shard
from sensorium.data.sources import playroom
from sensorium.data.sources.playroom import render
from sensorium.data.sources.playroom.rerun import filming
from sensorium.data.sources.playroom.scene import ROOM, Body, draw_scene
from sensorium.evaluation.contract import Result
from sensorium.evaluation.harness import WindowPool
from sensorium.evaluation.sample import Sample
from sensorium.evaluation.statistics import LeakError, baseline_values
from sensorium.generation.dream_config import ControlConfig
from sensorium.generation.evaluation import control, own_actions, steered_rooms
from sensorium.generation.evaluation.dreams import Studio
from sensorium.generation.evaluation.hand import find_hand, hand_off
from sensorium.generation.evaluation.long_dreams import extended, images
from sensorium.generation.evaluation.permanence import Look, bodies_kept, coloured_pixels, histogram_distance
from sensorium.generation.evaluation.poison import POISONS

SPLITS: list[Split] = [*["training"] * 12, *["test"] * 12]
PLAYROOM = PlayroomConfig(recordings=len(SPLITS), frames=24)
SECTION = ControlConfig(windows=12, context=4, frames=32)  # longer than the recordings

Dream = Callable[["PixelStudio", Sample, np.ndarray], np.ndarray]  # (studio, windows, actions) -> pictures [n, T, ...]


class PixelStudio(Studio):
    """A studio whose tokens are the pixels themselves, and whose dreams a function makes."""

    def __init__(self, recordings: RecordingSet, dream: Dream) -> None:
        self.recordings, self._dream, self.config = recordings, dream, SECTION
        self.bench = SimpleNamespace(device=torch.device("cpu"))  # type: ignore[assignment]
        self._tokenizer = SimpleNamespace(past=0)  # type: ignore[assignment]

    def sample(self, frames: int, count: int, rng: np.random.Generator, split: Split = "test") -> Sample:
        sample = WindowPool(self.recordings, split, ("video", "action"), frames).sample(count, rng)
        return sample.having(tokens=self.encode(images(sample["video"])))

    def encode(self, pictures: np.ndarray) -> np.ndarray:
        return pictures.reshape(*pictures.shape[:2], 1, -1)

    def pictures(self, tokens: np.ndarray, first: int = 0) -> np.ndarray:
        size = PLAYROOM.size
        return tokens[:, first:].reshape(len(tokens), -1, 3, size, size)

    def felt(self, tokens: np.ndarray) -> np.ndarray | None:
        return None

    def dream(self, sample: Sample, horizon: int, actions: np.ndarray | None, **options: Any) -> np.ndarray:
        assert actions is not None
        make = frozen if options["untrained"] else self._dream
        return self.encode(make(self, sample, actions))


class FeltStudio(PixelStudio):
    """Its dreams feel the hand where they show it, in the first two of three numbers."""

    def felt(self, tokens: np.ndarray) -> np.ndarray:
        shown = self.pictures(tokens)
        places = find_hand(shown.reshape(-1, *shown.shape[2:])) + 0.5
        felt = np.zeros((len(places), 3))
        felt[:, :2] = places * 2 / PLAYROOM.size - 1
        return felt.reshape(*shown.shape[:2], 3)


def true_film(studio: PixelStudio, sample: Sample, actions: np.ndarray) -> np.ndarray:
    """What the simulator shows."""
    film = filming(studio.recordings)
    films = []
    for name, start, moves in zip(sample.names, sample.start.tolist(), actions, strict=True):
        before = np.array(studio.recordings.field(name, "action")[:start])
        films.append(film(name, np.concatenate([before, moves])).video[start:])
    return images(np.stack(films))[:, SECTION.context :]


def frozen(studio: PixelStudio, sample: Sample, actions: np.ndarray) -> np.ndarray:
    """The last frame given."""
    last = studio.pictures(sample["tokens"])[:, [SECTION.context - 1]]
    return np.repeat(last, actions.shape[1] - SECTION.context, 1)


def deaf(studio: PixelStudio, sample: Sample, actions: np.ndarray) -> np.ndarray:
    """A true film under the actions of the first window, whatever the own ones are."""
    moves = actions.copy()
    moves[:, SECTION.context :] = moves[:1, SECTION.context :]
    return true_film(studio, sample, moves)


def grey(studio: PixelStudio, sample: Sample, actions: np.ndarray) -> np.ndarray:
    """The true hand in rooms that have no other colour."""
    film = true_film(studio, sample, actions)
    pink = np.minimum(film[:, :, 0] - film[:, :, 1], film[:, :, 2] - film[:, :, 1]) > 0.1
    return np.where(pink[:, :, None] & (film[:, :, :1] > film[:, :, 2:]), film, film.mean(2, keepdims=True))


@pytest.fixture(scope="module")
def rooms(tmp_path_factory: pytest.TempPathFactory) -> RecordingSet:
    """Recordings of a small playroom."""
    folder = tmp_path_factory.mktemp("rooms")
    recordings = {f"room-{number:03d}": playroom.simulate(PLAYROOM, number) for number in range(len(SPLITS))}
    write_shard(folder / "shard-0000.safetensors", recordings)
    entries = [
        {"name": name, "number": number, "shard": "shard-0000", "split": split, "frames": PLAYROOM.frames}
        for number, (name, split) in enumerate(zip(recordings, SPLITS, strict=True))
    ]
    write_manifest(
        folder,
        kind=KIND,
        section_json=canonical_json(PLAYROOM),
        inputs={},
        files={"shard-0000": folder / "shard-0000.safetensors"},
        details={**playroom.details(PLAYROOM), "quarantine": [], "recordings": entries},
    )
    return RecordingSet.open(folder / "manifest.json")


def judged(rooms: RecordingSet, dream: Dream) -> Result:
    """The result for dreams that a function makes."""
    return steered_rooms.judge_rooms(PixelStudio(rooms, dream), SECTION, np.random.default_rng(0))


@pytest.fixture(scope="module")
def truth(rooms: RecordingSet) -> Result:
    """The result for dreams that are true."""
    return judged(rooms, true_film)


def drawn(place: tuple[float, float], size: int = 32) -> np.ndarray:
    """A grey picture with a hand at a place in room units, float32 [1, 3, size, size]."""
    return images(render.with_hand(np.full((size, size, 3), 150, np.uint8), np.array(place)))[None]


@pytest.mark.parametrize("size", [32, 64, 128])
def test_a_drawn_hand_is_found_where_it_is(size: int) -> None:
    """At any size of the picture, to a third of a pixel."""
    for place in ((20.0, 30.0), (51.3, 48.8), (94.0, 94.0)):
        found = find_hand(drawn(place, size))[0]
        assert found == pytest.approx(np.array(place) * size / ROOM - 0.5, abs=0.34), place


def test_a_hand_that_is_three_pixels_off_is_not_near() -> None:
    """One pixel off is; one that is not there never is."""
    true = np.array([[[0.5, 0.5]]])
    for off, near in ((0, True), (1, True), (3, False), (-3, False)):
        moved = drawn((50 + off * ROOM / 32, 50.0))[None]
        assert hand_off(moved, true)[0, 0] == pytest.approx(abs(off), abs=0.2)
        assert (hand_off(moved, true)[0, 0] <= steered_rooms.REACH) == near
    assert np.isnan(hand_off(np.full((1, 1, 3, 32, 32), 0.6, np.float32), true)).all()


def test_what_is_pink_but_no_core_is_no_hand() -> None:
    """Too small, too large, or of another colour; the pinkest of two that fit is the hand."""
    for place, height, width, colour, found in (
        (10, 1, 1, render.HAND_CORE, False),
        (10, 2, 2, render.HAND_CORE, True),
        (10, 5, 5, render.HAND_CORE, False),
        (10, 2, 2, render.PALETTE[0], False),
        (10, 2, 2, render.PALETTE[6], False),
    ):
        picture = np.full((32, 32, 3), 170, np.uint8)
        picture[place : place + height, place : place + width] = colour
        assert np.isfinite(find_hand(images(picture)[None])).all() == found, (height, width, colour)
    two = np.full((32, 32, 3), 170, np.uint8)
    two[4:6, 4:6], two[20:22, 24:26] = (200, 110, 150), render.HAND_CORE
    assert find_hand(images(two)[None])[0] == pytest.approx([24.5, 20.5])


def test_the_hand_is_found_in_true_frames_and_nowhere_else(rooms: RecordingSet) -> None:
    """In all of them, to half a pixel; painted over, in none."""
    for name in rooms.names("test"):
        video, hand = np.array(rooms.field(name, "video")), np.array(rooms.field(name, "truth.state"))[:, :2]
        assert hand_off(images(video)[None], hand[None]).max() < 0.5
        gone = np.stack([render.without_hand(*each) for each in zip(video, ROOM * hand, strict=True)])
        assert np.isnan(find_hand(images(gone))).all()


def test_a_body_of_another_colour_is_not_kept(rooms: RecordingSet) -> None:
    """A body is kept in its own picture and with half of its pixels, lost with fewer and in grey."""
    for name in rooms.names("test")[:6]:
        number = next(entry["number"] for entry in rooms.details["recordings"] if entry["name"] == name)
        scene, picture = draw_scene(PLAYROOM, number), images(np.array(rooms.field(name, "video")[:1]))[None]
        present = np.array([isinstance(body, Body) for body in scene.bodies])
        colours = np.where(present[:, None], render.body_colours(scene) / 255, np.nan)[None]
        others = render.other_colours(scene)[None] / 255
        true = coloured_pixels(picture, colours, others)
        assert (true[0, 0] > 0).tolist() == present.tolist()
        assert bodies_kept(true, true, 32).tolist() == [[1.0]]
        assert bodies_kept(true // 2 + 1, true, 32).tolist() == [[1.0]]
        assert bodies_kept(true // 3, true, 32).tolist() == [[0.0]]
        faded = 0.15 * picture + 0.85 * picture.mean(2, keepdims=True)
        assert bodies_kept(coloured_pixels(faded, colours, others), true, 32)[0, 0] < 0.5


def test_hidden_bodies_are_not_looked_for() -> None:
    """A body of four pixels may be lost; with no body to look for nothing is."""
    true = np.array([[[4, 20, 0, 0], [4, 0, 0, 0]]])
    counts = np.array([[[0, 10, 0, 0], [0, 0, 0, 0]]])
    assert bodies_kept(counts, true, 32).tolist() == [[1.0, 1.0]]
    assert bodies_kept(0 * counts, true, 32).tolist() == [[0.0, 1.0]]


def test_histograms_and_patches_of_known_pictures() -> None:
    """No distance of shuffled pixels, a whole one between colours; a patch that is known is not far."""
    rng = np.random.default_rng(0)
    picture = rng.uniform(size=(2, 1, 3, 16, 16)).astype(np.float32)
    assert histogram_distance(picture, picture[..., ::-1]) == pytest.approx(0)
    assert histogram_distance(0 * picture, 0 * picture + 1) == pytest.approx(1)
    look = Look(picture[:, 0], torch.device("cpu"))
    assert look(picture) == pytest.approx(0, abs=1e-2)
    assert look(picture + 0.5) == pytest.approx(0.5 * np.sqrt(192), rel=0.01)


def test_true_dreams_pass_and_reach_the_ceiling(truth: Result) -> None:
    """All metrics are 1, and no floor is."""
    assert set(truth.metrics) == {"hand_near", "hand_held", "hand_and_bodies"}
    for name, record in truth.metrics.items():
        assert record["value"] == record["ceiling"] == 1, name
        assert record["passed"], (name, record)
        assert len(record["baselines"]) == 7
        assert record["fitted_on"] == SPLITS.count("training")
    near = truth.notes["held"]["hand near"]
    assert near["a hand that moves freely"][0] == near["a hand drawn by a ridge"][0] == 1  # one frame ahead
    assert near["last frame held"][-1] < 0.5


def test_what_is_felt_counts_where_the_hand_would_be(rooms: RecordingSet, tmp_path: Path) -> None:
    """True dreams feel it beside dead reckoning that does not always; one that stands still feels its own picture."""
    true, still = (
        steered_rooms.judge_rooms(FeltStudio(rooms, dream), SECTION, np.random.default_rng(0))
        for dream in (true_film, frozen)
    )
    for name in ("felt_near", "felt_held"):
        record = true.metrics[name]
        assert record["value"] == 1
        assert record["passed"]
        floors = baseline_values(record)
        assert set(floors) == {"place held", "a hand drawn by a ridge", "a hand that moves freely"}
        assert record["fitted_on"] == SPLITS.count("training")
        assert still.metrics[name]["value"] == pytest.approx(floors["place held"], abs=0.05)
        assert not still.metrics[name]["passed"]
    true.figure(tmp_path / "control.png")
    assert (tmp_path / "control.png").stat().st_size
    assert max(true.notes["felt, pixels off"]["held"]["dream"]) < 0.5


@pytest.mark.parametrize("dream", [frozen, deaf, grey])
def test_dreams_that_stand_still_obey_nobody_or_lose_the_bodies_fail(rooms: RecordingSet, dream: Dream) -> None:
    """A frozen dream keeps its bodies and passes nothing; grey rooms with a true hand pass the hand alone."""
    result = judged(rooms, dream)
    passed = {name for name, record in result.metrics.items() if record["passed"]}
    assert passed == ({"hand_near", "hand_held"} if dream is grey else set())
    kept = np.mean(result.notes["recorded"]["bodies kept"]["dream"])
    if dream is frozen:
        assert kept > 0.9
        assert result.metrics["hand_and_bodies"]["value"] < 0.6
    if dream is grey:
        assert kept < 0.9


def test_floors_are_fitted_on_no_test_recording(rooms: RecordingSet, monkeypatch: pytest.MonkeyPatch) -> None:
    """What is replayed, averaged or reckoned from test recordings is refused."""
    sample = PixelStudio.sample

    def leaking(self: Any, frames: int, count: int, rng: np.random.Generator, split: Split = "test") -> Sample:
        return sample(self, frames, count, rng, "test")

    monkeypatch.setattr(PixelStudio, "sample", leaking)
    with pytest.raises(LeakError, match="hand_near: fitted on 12"):
        judged(rooms, frozen)


def test_keys_are_held_for_half_a_second_each() -> None:
    """Each of them is an arrow, two, or none, and windows have their own."""
    keys = steered_rooms.random_keys(50, 60, np.random.default_rng(0))
    assert keys.shape == (50, 60, 2)
    assert set(np.unique(keys)) == {-1, 0, 1}
    changes = (np.diff(keys, axis=1) != 0).any((0, 2))
    assert np.flatnonzero(changes).tolist() == list(range(steered_rooms.HELD - 1, 59, steered_rooms.HELD))
    assert not (keys[0] == keys[1]).all()


def test_actions_go_on_with_those_of_another_recording() -> None:
    """From its beginning, again and again."""
    sample = Sample(np.array(["a", "b"]), np.zeros(2, int), {"action": np.array([[1, 2], [3, 4]])})
    assert extended(sample, 5, np.array([1, 0])).tolist() == [[1, 2, 3, 4, 3], [3, 4, 1, 2, 1]]
    assert extended(sample, 1, np.array([1, 0])).tolist() == [[1], [3]]


def test_rooms_that_the_simulator_does_not_repeat_are_refused(rooms: RecordingSet) -> None:
    """As far as the actions are the recorded ones."""
    film, name = filming(rooms), rooms.names("test")[0]
    actions = np.array(rooms.field(name, "action"))
    again = film(name, np.concatenate([actions, -actions]))
    assert again.video.shape[0] == 2 * len(actions)
    assert np.array_equal(again.video[: len(actions)], rooms.field(name, "video"))
    assert again.hand[: len(actions)] == pytest.approx(rooms.field(name, "truth.state")[:, :2], abs=1e-6)
    wrong = SimpleNamespace(manifest=rooms.manifest, details=rooms.details, field=lambda _, field: rooms.field(
        rooms.names("test")[1] if field == "video" else name, field
    ))  # fmt: skip
    with pytest.raises(ArtifactError, match=f"does not repeat recording {name}"):
        filming(wrong)(name, actions)  # type: ignore[arg-type]
    filming(wrong)(name, -actions)  # nothing to compare


def on_toy(world: ToyWorld, folder: Path, *more: str) -> dict[str, Any]:
    """The result in the toy world, whose source knows no hand."""
    section = ControlConfig(windows=20, context=4, frames=8, denoising_steps=2)
    words = ["--config", canonical_json(section), "--device", "cpu", "--threads", "1"]
    for key in ("data", "latents", "tokenizer", "dynamics"):
        words += [f"--{key}", str(getattr(world, key))]
    files = {"output": folder / "r.json", "figure": folder / "f.png", "video": folder / "film.mp4"}
    words += [word for option, path in files.items() for word in (f"--{option}", str(path))]
    control.main([*words, *more])
    assert all(path.stat().st_size for path in files.values())
    result: dict[str, Any] = json.loads(files["output"].read_text())
    return result


def test_trained_dreams_obey_their_own_actions_and_others_do_not(world: ToyWorld, tmp_path: Path) -> None:
    """In a world without a known hand; a network with one broken block still obeys a little, and less."""
    trained = on_toy(world, tmp_path)
    record = trained["metrics"]["own_actions"]
    assert record["passed"], record
    assert trained["ahead"] == [1, 4, 8]
    assert {"actions of strangers", "last frame held", "mean picture", "untrained", "fade", "ridge"} < set(
        baseline_values(record)
    )
    poisons = [poison for poison in POISONS if poison != "finest"]  # the only step that the toy's network learns
    for words in (["--untrained-seed", "101"], *(["--poison", poison] for poison in poisons)):
        other = on_toy(world, tmp_path, *words)["metrics"]["own_actions"]
        assert other["margin"]["value"] < record["margin"]["value"], words
        assert not other["passed"] or words[-1] == "block", words


def test_changes_count_where_the_truth_moves_alone() -> None:
    """What changes elsewhere is not seen, and a change to the contrary is."""
    last = np.zeros((1, 1, 3, 4, 4), np.float32)
    truth, dream = last.copy(), last.copy()
    truth[..., :2], dream[..., :2], dream[..., 2:] = 1, 0.5, -7
    assert own_actions.changes(dream, truth, last).tolist() == [[[6, 24, 12]]]
    assert own_actions.changes(-dream, truth, last)[0, 0, 2] == -12
