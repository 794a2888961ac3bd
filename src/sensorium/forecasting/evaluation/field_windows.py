"""Windows for fields of bodies: as long as those of fusion, with the frames after them that are forecast."""

from __future__ import annotations

from collections.abc import Mapping
from functools import cached_property, partial

import numpy as np
from torch import Tensor

from sensorium.data.recording import RecordingSet, Split
from sensorium.evaluation.harness import Bench, WindowPool
from sensorium.evaluation.sample import Sample
from sensorium.forecasting.config import FieldsConfig, StateDynamicsConfig
from sensorium.forecasting.evaluation.body_fields import body_fields
from sensorium.forecasting.evaluation.ridge_forecast import flat
from sensorium.forecasting.state_dynamics import StateDynamics
from sensorium.perception.embed import embed_recording
from sensorium.perception.encoders import AudioEncoder, VisionEncoder
from sensorium.perception.evaluation.belief import blinded
from sensorium.perception.fusion import SENSES, Fusion
from sensorium.progress import track

TRUTH = ("truth.position", "truth.velocity", "truth.size")
BACK = (0, 1, 4)  # frames of the encoder's grid that stand in for fusion
FELT = 4  # frames of the body sense beside it


class FieldWindows:
    """Windows of a split, with what networks and truth say of them.

    Args:
        bench: with the parts.
        split: of the recordings.
        count: how many at most.
        config: of the evaluation.
        rng: draws them.

    Attributes:
        sample: recordings and starts, with "vision", "audio", "body" of the F frames of fusion, and "action" and
            "truth.state" of all F + H.
        frames, given, horizon, hidden: F; states that the state dynamics are given; H; frames without sight.
        read: frames whose states the readout is fitted on: the later half of the F, which have a past.
    """

    def __init__(self, bench: Bench, split: Split, count: int, config: FieldsConfig, rng: np.random.Generator) -> None:
        self._bench, recordings = bench, bench.parts.recordings()
        dynamics = bench.parts.section("state_dynamics", StateDynamicsConfig)
        shortest = min(recordings.frames(name) for name in recordings.names(split))
        self.horizon = dynamics.horizon
        self.frames = min(bench.parts.load(Fusion).frames, shortest - self.horizon)
        self.given, self.hidden = min(dynamics.context, self.frames), min(config.hidden, self.frames - 1)
        whole = self.frames + self.horizon
        pool = WindowPool(recordings, split, (), whole)
        chosen = np.isin(pool.recording, recordings.names(split)[: config.recordings])
        places = pool.places(pool.draw(chosen, count, rng))
        names = list(dict.fromkeys(places.names))
        truth = [places.cut(_whole(recordings, names, field), whole).astype(np.float64) for field in TRUTH[:2]]
        size = np.stack([recordings.field(name, TRUTH[2]) for name in places.names]).astype(np.float64)
        self.read = np.arange(self.frames // 2, self.frames)
        self._first = min(self.frames // 2, self.frames - 1 - self.hidden)
        position, velocity = (values[:, self._first :] for values in truth)
        every = body_fields(position, velocity, size, config.cells)
        self._truth = every.reshape(len(places), -1, 3 * config.cells**2)
        self.sample = places.having(
            **self._senses(places, names),
            **{key: places.cut(_whole(recordings, names, key), whole) for key in ("action", "truth.state")},
        )

    def _senses(self, places: Sample, names: list[str]) -> dict[str, np.ndarray]:
        parts, device = self._bench.parts, self._bench.device
        networks, recordings = (parts.load(VisionEncoder), parts.load(AudioEncoder)), parts.recordings()
        rounds = track(names, "recordings embedded")
        embedded = {name: embed_recording(recordings, name, *networks, device) for name in rounds}
        known = next(iter(embedded.values()))
        return {
            sense: places.cut({name: senses[sense] for name, senses in embedded.items()}, self.frames)
            for sense in known
        }

    def states(self, seed: int | None, hidden: int = 0) -> np.ndarray:
        """World states by a fusion: of all F frames if none is hidden, else of the last, [n, F or 1, D]."""
        fusion = self._bench.parts.load(Fusion, seed)
        return self._bench.map(partial(blinded, fusion, hidden), *(self.sample.get(sense) for sense in SENSES))

    @cached_property
    def judged(self) -> np.ndarray:
        """World states by the fusion that is judged, [n, F, D]."""
        return self.states(self._bench.untrained_seed)

    def ahead(self, seed: int | None) -> np.ndarray:
        """World states that state dynamics forecast after the window, [n, H, D]."""
        model, begin = self._bench.parts.load(StateDynamics, seed), self.frames - self.given

        def network(states: Tensor, actions: Tensor) -> Tensor:
            return model.states(model(model.project(states), actions, self.given).mean[:, self.given - 1 :])

        return self._bench.map(network, self.judged[:, begin:], self.sample["action"][:, begin:])

    @property
    def actions(self) -> np.ndarray:
        """Of the frames that are forecast, flat, [n, numbers]."""
        return flat(self.sample["action"][:, self.frames :])

    def fields(self, frames: np.ndarray) -> np.ndarray:
        """True fields of some frames, flat, [n, frames, 3 G G]."""
        return self._truth[:, frames - self._first]

    def felt(self, first: int) -> np.ndarray:
        """The body sense from a frame on, flat, [n, numbers]; without numbers where there is none."""
        body = self.sample.get("body")
        return np.zeros((len(self.sample), 0)) if body is None else flat(body[:, max(0, first) :])

    def plain(self, frames: np.ndarray) -> np.ndarray:
        """Of each frame what there is without fusion: grid and body sense, now and before, [n, frames, numbers]."""
        body = self.sample.get("body")
        parts = [self._grid[:, np.maximum(frames - back, 0)] for back in BACK]
        if body is not None:
            parts += [body[:, np.maximum(frames - back, 0)] for back in range(FELT)]
        return np.concatenate(parts, -1)

    @cached_property
    def _grid(self) -> np.ndarray:
        """The vision encoder's grid, reduced as fusion reduces it, [n, F, components]."""
        return self._bench.map(partial(self._bench.parts.load(Fusion).calibrated, "vision"), self.sample["vision"])


def _whole(recordings: RecordingSet, names: list[str], field: str) -> Mapping[str, np.ndarray]:
    return {name: np.asarray(recordings.field(name, field)) for name in names}
