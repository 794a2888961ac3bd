"""`control` in the playroom, where the place of the hand and the colours of the bodies are known.

Layouts: n windows, H frames of a dream that are judged, S x S pixels; places in room widths.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property, partial
from typing import Any

import numpy as np

from sensorium.data.sources.playroom import BODY_NAMES, render
from sensorium.data.sources.playroom.rerun import filming
from sensorium.data.sources.playroom.scene import ROOM
from sensorium.evaluation.baselines.dead_reckoning import FreeMotion, LinearMap
from sensorium.evaluation.contract import Result
from sensorium.evaluation.sample import Sample, of_other_recordings
from sensorium.evaluation.statistics import measure
from sensorium.generation.dream_config import ControlConfig
from sensorium.generation.evaluation import control_figures
from sensorium.generation.evaluation.dreams import Studio
from sensorium.generation.evaluation.hand import DRAWN, REACH, hand_off
from sensorium.generation.evaluation.long_dreams import LongDreams, curves, extended, images
from sensorium.generation.evaluation.permanence import bodies_kept, coloured_pixels
from sensorium.progress import track

HELD = 8  # frames for which a key is pressed, half a second
KEYS = np.array([[x, y] for x in (-1, 0, 1) for y in (-1, 0, 1)], np.float32)
FIELDS = ("body", "action")
METRICS = {"recorded": "hand_near", "held": "hand_held"}
FELT = {"recorded": "felt_near", "held": "felt_held"}
CEILING = "tokenizer"
FILMED = 2  # dreams of each kind in the film


def judge_rooms(studio: Studio, config: ControlConfig, rng: np.random.Generator) -> Result:
    """The hand and the bodies in dreams under recorded actions, and under keys that are held."""
    dreams = LongDreams(studio, config, rng, config.frames)
    sample, given = dreams.sample, dreams.given
    recorded = extended(sample, given + config.frames, of_other_recordings(sample.groups, rng))
    keys = recorded.copy()
    keys[:, given:] = random_keys(len(sample), config.frames, rng)
    actions = {"recorded": recorded, "held": keys}
    rooms = {name: run_again(studio, sample, moves, dreams) for name, moves in actions.items()}
    tokens = dreams.dreams(actions)
    untrained = dreams.dreams(actions, untrained=True)
    dreamed = {name: dreams.shown(made) for name, made in tokens.items()}
    still, reckoning = dreams.floors(), Reckoning(studio, dreams)
    metrics: dict[str, Any] = {}
    notes: dict[str, Any] = {"ahead": dreams.ahead.tolist()}
    for name, other in (("recorded", "held"), ("held", "recorded")):
        shown = {
            "dream": dreamed[name],
            **still,
            **reckoning(sample, actions[name]),
            "other actions": dreamed[other],
            "untrained": dreams.shown(untrained[name]),
            CEILING: dreams.coded(rooms[name].film),
        }
        off = {key: hand_off(pictures, rooms[name].hand) for key, pictures in shown.items()}
        near = {key: (value <= REACH).astype(float) for key, value in off.items()}
        kept = {key: rooms[name].kept(pictures) for key, pictures in shown.items()}
        record = partial(
            measured, names=sample.names, fitted_on=dreams.fitted_on | reckoning.fitted_on, seed=config.seed
        )
        metrics |= record(METRICS[name], near)
        found = {key: np.isfinite(value).astype(float) for key, value in off.items()}
        notes[name] = {"hand found": curves(found), "hand near": curves(near), "bodies kept": curves(kept)}
        if (felt := studio.felt(tokens[name])) is not None:
            last = given - 1 + dreams.ahead
            reached = {"dream": places(felt[:, last]), **reckoning.reckoned(sample, actions[name])}
            reached["place held"] = np.repeat(places(felt[:, [given - 1]]), len(last), 1)
            away = {key: pixels_off(where, rooms[name].hand) for key, where in reached.items()}
            metrics |= record(FELT[name], {key: (value <= REACH).astype(float) for key, value in away.items()})
            notes.setdefault("felt, pixels off", {})[name] = curves(away)
        if name == "recorded":
            metrics |= record("hand_and_bodies", {key: near[key] * kept[key] for key in near})
            looks = dreams.looks({key: shown[key] for key in ("dream", *still, "untrained")}, shown[CEILING])
            notes[name]["look"] = {key: line.tolist() for key, line in looks.items()}
    strips: dict[str, np.ndarray] = {}
    marks: dict[str, np.ndarray] = {}
    for name, label in (("recorded", ""), ("held", ",\nkeys held")):
        strips |= {f"truth{label}": images(rooms[name].judged), f"dream{label}": dreamed[name]}
        marks |= {f"truth{label}": rooms[name].hand, f"dream{label}": rooms[name].hand}
    films = np.concatenate([room.film[:FILMED] for room in rooms.values()])
    made = np.concatenate([part[:FILMED] for part in tokens.values()])
    return Result(
        metrics,
        lambda path: control_figures.control(path, dreams.ahead, notes["recorded"], strips, marks),
        notes,
        files={"video": lambda path: control_figures.write_film(path, studio, films, made)},
    )


def measured(
    metric: str, values: Mapping[str, np.ndarray], names: list[str], fitted_on: set[str], seed: int
) -> dict[str, dict[str, Any]]:
    """The record of a metric from values [n, H] of the dream, of the ceiling (1 if there is none), and of floors."""
    each = {key: value.mean(1) for key, value in values.items()}
    dream, ceilings = each.pop("dream"), {CEILING: each.pop(CEILING, 1.0)}
    record = measure(metric, dream, names, fitted_on=fitted_on, baselines=each, ceilings=ceilings, seed=seed)
    return {metric: record}


def pixels_off(places: np.ndarray, truth: np.ndarray) -> np.ndarray:
    """How far places in room widths [n, H, 2] are apart, in pixels of a picture of 32 x 32, [n, H]."""
    apart: np.ndarray = np.linalg.norm(places - truth, axis=-1) * DRAWN
    return apart


def random_keys(windows: int, frames: int, rng: np.random.Generator) -> np.ndarray:
    """Actions of a player who presses an arrow, two, or none, each for HELD frames: float32 [windows, frames, 2]."""
    pressed = KEYS[rng.integers(len(KEYS), size=(windows, -(-frames // HELD)))]
    return np.repeat(pressed, HELD, 1)[:, :frames]


@dataclass(frozen=True)
class SteeredRooms:
    """What the rooms of windows would have shown.

    Attributes:
        film: uint8 [n, given + frames, S, S, 3].
        judged: its frames that are judged, uint8 [n, H, S, S, 3].
        hand: places of the hand there, float64 [n, H, 2].
        bodies, others: colours of the bodies, NaN where there is none, and of all else, [n, K, 3] and [n, M, 3].
    """

    film: np.ndarray
    judged: np.ndarray
    hand: np.ndarray
    bodies: np.ndarray
    others: np.ndarray

    def kept(self, pictures: np.ndarray) -> np.ndarray:
        """Share of the bodies that pictures [n, H, 3, S, S] keep, [n, H]."""
        return bodies_kept(coloured_pixels(pictures, self.bodies, self.others), self._true, pictures.shape[-1])

    @cached_property
    def _true(self) -> np.ndarray:
        return coloured_pixels(images(self.judged), self.bodies, self.others)


def run_again(studio: Studio, sample: Sample, actions: np.ndarray, dreams: LongDreams) -> SteeredRooms:
    """The rooms of windows under actions [n, given + frames, 2].

    Raises:
        ArtifactError: if the simulator does not repeat a recording bit for bit.
    """
    film, films, hands, scenes = filming(studio.recordings), [], [], []
    windows = zip(sample.groups.tolist(), sample.start.tolist(), actions, strict=True)
    for name, start, moves in track(windows, "rooms simulated again", len(sample)):
        before = np.array(studio.recordings.field(name, "action")[:start])
        shown = film(name, np.concatenate([before, moves]))
        films.append(shown.video[start:])
        hands.append(shown.hand[start:])
        scenes.append(shown.scene)
    present = np.array([[body is not None for body in scene.bodies] for scene in scenes])
    colours = np.stack([render.body_colours(scene) for scene in scenes]) / 255
    frames, video = dreams.given - 1 + dreams.ahead, np.stack(films)
    return SteeredRooms(
        film=video,
        judged=video[:, frames],
        hand=np.stack(hands)[:, frames],
        bodies=np.where(present[..., None], colours, np.nan),
        others=np.stack([render.other_colours(scene) for scene in scenes]) / 255,
    )


class Reckoning:
    """Floors that draw the hand over the last true frame, where dead reckoning from the body sense puts it.

    Attributes:
        fitted_on: names of recordings.
    """

    def __init__(self, studio: Studio, dreams: LongDreams) -> None:
        self._recordings, self._dreams = studio.recordings, dreams
        names = self._recordings.names("training")
        self.fitted_on = set(names)
        length = min(self._recordings.frames(name) for name in names)
        sense, actions = (
            np.stack([self._recordings.field(name, field)[:length] for name in names]) for field in FIELDS
        )
        ahead, now = tuple(dreams.ahead.tolist()), dreams.given - 1
        self._linear = LinearMap(sense, actions, places(sense), now, ahead)
        self._free = FreeMotion(places(sense), actions, sense[..., BODY_NAMES.index("touching")] == 0)

    def __call__(self, sample: Sample, actions: np.ndarray) -> dict[str, np.ndarray]:
        """Pictures with a hand that is drawn, [n, H, 3, S, S], by how its place is reckoned."""
        empty = [
            render.without_hand(picture, ROOM * place)
            for picture, place in zip(
                sample["video"][:, self._dreams.given - 1], places(self._felt(sample)), strict=True
            )
        ]
        return {
            name: images(np.stack([with_hands(*each) for each in zip(empty, hands, strict=True)]))
            for name, hands in self.reckoned(sample, actions).items()
        }

    def reckoned(self, sample: Sample, actions: np.ndarray) -> dict[str, np.ndarray]:
        """Places of the hand, float64 [n, H, 2], by how they are reckoned."""
        given, now = self._dreams.given, self._felt(sample)
        return {
            "a hand drawn by a ridge": self._linear(now, actions[:, given:]),
            "a hand that moves freely": self._free(places(now), actions[:, given:])[:, self._dreams.ahead - 1],
        }

    def _felt(self, sample: Sample) -> np.ndarray:
        """The body sense at the last frame given, [n, W]."""
        where = zip(sample.names, (sample.start + self._dreams.given - 1).tolist(), strict=True)
        return np.stack([self._recordings.field(name, "body")[frame] for name, frame in where])


def places(sense: np.ndarray) -> np.ndarray:
    """Places of the hand from the body sense, [..., W] -> float64 [..., 2]."""
    return (sense[..., :2].astype(np.float64) + 1) / 2


def with_hands(picture: np.ndarray, hands: np.ndarray) -> np.ndarray:
    """A picture with a hand at each of some places [H, 2], uint8 [H, S, S, 3]."""
    return np.stack([render.with_hand(picture, ROOM * hand) for hand in hands])
