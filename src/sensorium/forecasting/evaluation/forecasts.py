"""Library of the evaluations of the state dynamics: windows of world states, and forecasts.

Layouts: n windows, T frames (C given, H forecast), D width of a world state, K things, each with two coordinates.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from sensorium.artifacts import ArtifactError
from sensorium.data.recording import Split
from sensorium.evaluation.contract import Input
from sensorium.evaluation.harness import Bench, WindowPool, require, spread
from sensorium.evaluation.sample import Sample
from sensorium.forecasting.state_dynamics import StateDynamics
from sensorium.perception.embed import EmbeddedRecordings, embed_recording, fuse, hear, see
from sensorium.perception.encoders import AudioEncoder, VisionEncoder
from sensorium.perception.evaluation.world_readout import FUSED
from sensorium.perception.fusion import Fusion
from sensorium.progress import track

INPUTS = (*FUSED, Input("state-dynamics", "state_dynamics"))
PLACE = re.compile(r"(?P<thing>\w+)_x$")


class Forecaster:
    """The judged state dynamics with the encoders and the fusion that make its input.

    Args:
        bench: with the parts of `INPUTS`.

    Raises:
        ArtifactError: if the recordings hold no positions.
    """

    def __init__(self, bench: Bench) -> None:
        self.bench, self.recordings = bench, bench.parts.recordings()
        require(self.recordings, "truth.state", "its places cannot be judged; use a source that records them")
        self.names = list(self.recordings.details["state_names"])
        self.things = [match["thing"] for name in self.names if (match := PLACE.match(name))]
        if not self.things:
            raise ArtifactError(
                f"{self.recordings.manifest}: truth.state holds no positions (NAME_x, NAME_y): nothing to judge by"
            )
        self._models: dict[int | None, StateDynamics] = {}
        self._vision, self._audio = bench.parts.load(VisionEncoder), bench.parts.load(AudioEncoder)
        self._fusion = bench.parts.load(Fusion)

    def columns(self, *suffixes: str) -> np.ndarray:
        """Columns of the variables THING_SUFFIX in the truth, int [K, suffixes]; -1: the truth lacks one."""
        places = [
            [self.names.index(name) if (name := f"{thing}_{suffix}") in self.names else -1 for suffix in suffixes]
            for thing in self.things
        ]
        return np.array(places)

    def perceive(self, fields: Mapping[str, np.ndarray]) -> np.ndarray:
        """World states of a recording that is in no set, from its video, audio and body: float32 [T, D]."""
        device = self.bench.device
        senses = {
            "vision": see(self._vision, fields["video"], device)[0],
            "audio": hear(self._audio, fields["audio"], device),
        }
        if "body" in self._fusion.widths:
            senses["body"] = fields["body"]
        return fuse(self._fusion, senses, device)

    def embedded(self, split: Split, most: int | None = None) -> EmbeddedRecordings:
        """World states, actions and truth of the first `most` recordings of a split; None: of all."""
        device, kept = self.bench.device, {}
        for name in track(self.recordings.names(split)[:most], f"{split} recordings embedded"):
            senses = embed_recording(self.recordings, name, self._vision, self._audio, device)
            kept[name] = {"state": fuse(self._fusion, senses, device)}
            for field in ("action", "truth.state"):
                if self.recordings.has(field):
                    kept[name][field] = np.array(self.recordings.field(name, field))
        return EmbeddedRecordings(self.recordings, kept)

    def windows(self, embedded: EmbeddedRecordings, split: Split, frames: int) -> Sample:
        """All windows of a split whose positions are defined throughout.

        Their fields: "state" float32 [n, T, D], "truth.state" float64 [n, T, variables], and "action" [n, T, ...],
        where action[t] led to frame t, where recordings have actions.
        """
        fields = ("state", "truth.state", *(("action",) if self.recordings.has("action") else ()))
        pool = WindowPool(embedded, split, fields, frames)
        every = pool.rows(np.arange(len(pool)))
        truth = every["truth.state"].astype(np.float64)
        defined = np.asarray(np.isfinite(truth[:, :, self.columns("x", "y").ravel()]).all((1, 2)))
        return every.having(**{"truth.state": truth}).rows(defined)

    def sample(self, split: Split, frames: int, count: int, rng: np.random.Generator) -> Sample:
        """Up to `count` of the `windows` of a split, spread evenly over the recordings."""
        every = self.windows(self.embedded(split), split, frames)
        return every.rows(spread(every.groups, np.ones(len(every), bool), count, rng))

    def model(self, untrained_seed: int | None = None) -> StateDynamics:
        """The judged state dynamics, or one with fresh weights of a seed, as a floor."""
        seed = self.bench.untrained_seed if untrained_seed is None else untrained_seed
        if seed not in self._models:
            self._models[seed] = self.bench.parts.load(StateDynamics, seed)
        return self._models[seed]

    def forecast(
        self,
        states: np.ndarray,
        actions: np.ndarray | None,
        given: int,
        *,
        untrained_seed: int | None = None,
        noise: np.ndarray | None = None,
    ) -> tuple[np.ndarray, np.ndarray]:
        """Mean and variance, on the model's axes, of frames 1 to T - 1: float32 [n, T - 1, D] each.

        Args:
            states: [n, T, D].
            actions, given, noise: as for `StateDynamics.forward`.
            untrained_seed: as for `model`.
        """
        model = self.model(untrained_seed)

        def network(states: Tensor, actions: Tensor | None, noise: Tensor | None) -> Tensor:
            ahead = model(model.project(states), actions, given, noise)
            return torch.stack([ahead.mean, ahead.log_variance.exp()], 1)

        mean, variance = self.bench.map(network, states, actions, noise).transpose(1, 0, 2, 3)
        return mean, variance

    def project(self, states: np.ndarray) -> np.ndarray:
        """World states [..., D] on the model's axes."""
        return self.bench.map(self.model().project, states)


@dataclass(frozen=True)
class Forecasts:
    """World states of windows and their forecasts, on the model's axes.

    Attributes:
        context: true states that were given, [n, C, D].
        future: true states that followed, [n, H, D].
        mean, variance: of the forecasts of `future`, [n, H, D].
    """

    context: np.ndarray
    future: np.ndarray
    mean: np.ndarray
    variance: np.ndarray

    @classmethod
    def of(
        cls,
        forecaster: Forecaster,
        sample: Sample,
        given: int,
        *,
        actions: np.ndarray | None = None,
        untrained_seed: int | None = None,
    ) -> Forecasts:
        """Forecasts of windows under their own or other actions, by the judged model or by an untrained one."""
        moves = sample.get("action") if actions is None else actions
        mean, variance = forecaster.forecast(sample["state"], moves, given, untrained_seed=untrained_seed)
        states = forecaster.project(sample["state"])
        return cls(states[:, :given], states[:, given:], mean[:, given - 1 :], variance[:, given - 1 :])

    @property
    def square_error(self) -> np.ndarray:
        """[n, H, D]."""
        return (self.mean - self.future) ** 2

    @property
    def error(self) -> np.ndarray:
        """Root mean square over the axes, [n, H]."""
        return np.sqrt(self.square_error.mean(2))

    @property
    def spread(self) -> np.ndarray:
        """The standard deviation that was forecast of it, [n, H]."""
        return np.sqrt(self.variance.mean(2))

    @property
    def held(self) -> np.ndarray:
        """The last state of the context for every frame ahead, [n, H, D]."""
        return np.repeat(self.context[:, -1:], self.future.shape[1], 1)
