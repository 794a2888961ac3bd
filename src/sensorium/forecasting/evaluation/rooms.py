"""Simulated rooms with one body each, which are in no recording, for questions about that body.

With several bodies it is ambiguous which one is meant: a readout of the largest body's place explains half of its
variance from any input, and nine tenths if the body is alone. The evaluation would measure that ambiguity.
"""

from __future__ import annotations

import numpy as np

from sensorium.artifacts import ArtifactError
from sensorium.config import PlayroomConfig
from sensorium.data.sources import playroom
from sensorium.evaluation.sample import Sample
from sensorium.forecasting.evaluation.forecasts import Forecaster
from sensorium.progress import track


class SingleBodyRooms:
    """Rooms with one body, perceived by the encoders and the fusion that are judged.

    Args:
        forecaster: holds the encoders and the fusion.
        config: of the recordings.
        first: number of the first room; from `config.recordings` on, no recording has these bodies.
        count: how many rooms.
        shuffled: the hand executes in each room the actions of the room before, so it does not approach the body. A
            readout fitted without such rooms would infer the body's place from the hand's.
    """

    def __init__(
        self, forecaster: Forecaster, config: PlayroomConfig, first: int, count: int, *, shuffled: bool = False
    ) -> None:
        self._config = config.model_copy(update={"min_bodies": 1, "max_bodies": 1})
        self._rooms = {
            f"{number:06d}": playroom.simulate(self._config, number)
            for number in track(range(first, first + count), "rooms simulated")
        }
        if shuffled:
            moves = [room["action"] for room in self._rooms.values()]
            self._rooms = {
                name: playroom.simulate(self._config, int(name), playroom.Intervention(actions=other))
                for name, other in zip(self._rooms, moves[-1:] + moves[:-1], strict=True)
            }
        rooms = track(self._rooms.items(), "rooms perceived")
        self._states = {name: forecaster.perceive(room) for name, room in rooms}

    @property
    def names(self) -> frozenset[str]:
        """Names of the rooms."""
        return frozenset(self._states)

    @property
    def states(self) -> np.ndarray:
        """World states of all frames of all rooms, float32 [N, D]."""
        return np.concatenate(list(self._states.values()))

    @property
    def truth(self) -> np.ndarray:
        """truth.state of the same frames, float64 [N, variables]."""
        return np.concatenate([room["truth.state"] for room in self._rooms.values()]).astype(np.float64)

    def sample(self, frames: int, count: int, rng: np.random.Generator) -> Sample:
        """About `count` windows, equally many from each room; they may overlap."""
        starts = self._config.frames - frames + 1
        each = min(starts, -(-count // len(self._rooms)))
        picked = [(name, int(at)) for name in self._rooms for at in rng.choice(starts, each, replace=False)]

        def cut(arrays: dict[str, np.ndarray]) -> np.ndarray:
            return np.stack([arrays[name][at : at + frames] for name, at in picked])

        actions, truth = ({name: room[key] for name, room in self._rooms.items()} for key in ("action", "truth.state"))
        fields = {"state": cut(self._states), "action": cut(actions), "truth.state": cut(truth).astype(np.float64)}
        return Sample(np.array([name for name, _ in picked]), np.array([at for _, at in picked]), fields)

    def rerun(self, sample: Sample, actions: np.ndarray, given: int) -> np.ndarray:
        """True states after the first `given` frames of each window under other actions, float64 [n, H, variables].

        Args:
            sample: windows of these rooms.
            actions: [n, T, A]; only those after the first `given` count.
            given: frames that stay unchanged.

        Raises:
            ArtifactError: if the simulator does not repeat the given frames bit for bit.
        """
        ends = []
        windows = zip(sample.groups.tolist(), sample.start.tolist(), actions, strict=True)
        for name, at, moves in track(windows, "windows simulated again", len(sample)):
            whole, before = self._rooms[name]["action"].copy(), self._rooms[name]["truth.state"][: at + given]
            whole[at + given : at + len(moves)] = moves[given:]
            again = playroom.simulate(self._config, int(name), playroom.Intervention(actions=whole))["truth.state"]
            if not np.array_equal(again[: at + given], before, equal_nan=True):
                raise ArtifactError(
                    f"room {name}: the simulator does not repeat its first {at + given} frames bit for bit"
                )
            ends.append(again[at + given : at + len(moves)])
        return np.stack(ends).astype(np.float64)
