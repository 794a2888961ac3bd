"""What evaluations of the state dynamics share: windows of world states, forecasts, and a read-out of positions.

Layouts: n windows, T frames (C given, H foretold), D width of a world state, K things, each with two coordinates.
"""

from __future__ import annotations

import argparse
import re
from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
import torch
from sklearn.linear_model import RidgeCV
from torch import Tensor

from sensorium.artifacts import ArtifactError
from sensorium.data.recording import RecordingSet, Split
from sensorium.evaluation.harness import Bench, WindowPool, check_pedigree, load_judged, require
from sensorium.forecasting.config import StateDynamicsConfig
from sensorium.forecasting.state_dynamics import StateDynamics
from sensorium.perception.config import AudioEncoderConfig, FusionConfig, VisionEncoderConfig
from sensorium.perception.embed import EmbeddedRecordings, embed_recording, fuse, hear, see
from sensorium.perception.encoders import AudioEncoder, VisionEncoder
from sensorium.perception.fusion import Fusion

INPUTS = ("data", "vision", "audio", "fusion", "state-dynamics")
STRENGTHS = tuple(10.0**power for power in range(0, 5))  # of the ridge, chosen by leave-one-out
PLACE = re.compile(r"(?P<thing>\w+)_x$")


@dataclass(frozen=True)
class Passages:
    """Windows of recordings as world states.

    Attributes:
        groups: name of each one's recording, [n].
        start: its first frame, int64 [n].
        states: float32 [n, T, D].
        actions: [n, T, ...], action[t] led to frame t; None in a world that nobody steers.
        truth: truth.state, float64 [n, T, variables].
    """

    groups: np.ndarray
    start: np.ndarray
    states: np.ndarray
    actions: np.ndarray | None
    truth: np.ndarray


class Seer:
    """The state dynamics with all that leads to its input.

    Args:
        args: parsed arguments of an evaluation with `INPUTS`.

    Raises:
        ArtifactError: if the manifests do not belong together, or the recordings do not tell positions.
    """

    def __init__(self, args: argparse.Namespace) -> None:
        senses = {"vision": args.vision, "audio": args.audio}
        check_pedigree(args.fusion, **senses)
        check_pedigree(args.state_dynamics, data=args.data, fusion=args.fusion, **senses)
        self.bench, self.recordings = Bench.prepare(args), RecordingSet.open(args.data)
        require(self.recordings, "truth.state", "its places cannot be judged; use a source that tells them")
        self.names = list(self.recordings.details["state_names"])
        self.things = [match["thing"] for name in self.names if (match := PLACE.match(name))]
        if not self.things:
            raise ArtifactError(f"{args.data}: truth.state tells no positions (NAME_x, NAME_y): nothing to judge by")
        self.inputs = {name: getattr(args, name.replace("-", "_")) for name in INPUTS}
        self._path, self._seed = args.state_dynamics, args.untrained_seed
        self._models: dict[int | None, StateDynamics] = {}
        self._vision = load_judged(VisionEncoder, VisionEncoderConfig, args.vision, "encoder_vision", None, self.bench)
        self._audio = load_judged(AudioEncoder, AudioEncoderConfig, args.audio, "encoder_audio", None, self.bench)
        self._fusion = load_judged(Fusion, FusionConfig, args.fusion, "fusion", None, self.bench)

    def columns(self, *suffixes: str) -> np.ndarray:
        """Where the variables THING_SUFFIX of the truth stand, int [K, suffixes]; -1 for those that it lacks."""
        places = [
            [self.names.index(name) if (name := f"{thing}_{suffix}") in self.names else -1 for suffix in suffixes]
            for thing in self.things
        ]
        return np.array(places)

    def perceive(self, fields: Mapping[str, np.ndarray]) -> np.ndarray:
        """World states of something recorded that is in no set, from its video, audio and body: float32 [T, D]."""
        device = self.bench.device
        senses = {
            "vision": see(self._vision, fields["video"], device)[0],
            "audio": hear(self._audio, fields["audio"], device),
        }
        if "body" in self._fusion.widths:
            senses["body"] = fields["body"]
        return fuse(self._fusion, senses, device)

    def embedded(self, split: Split, most: int | None = None) -> EmbeddedRecordings:
        """World states, actions and truth of the recordings of a split, or of the first ones."""
        device, kept = self.bench.device, {}
        for name in self.recordings.names(split)[:most]:
            senses = embed_recording(self.recordings, name, self._vision, self._audio, device)
            kept[name] = {"state": fuse(self._fusion, senses, device)}
            for field in ("action", "truth.state"):
                if self.recordings.has(field):
                    kept[name][field] = np.array(self.recordings.field(name, field))
        return EmbeddedRecordings(self.recordings, kept)

    def passages(
        self, embedded: EmbeddedRecordings, split: Split, frames: int, count: int, rng: np.random.Generator
    ) -> Passages:
        """Up to `count` windows whose truth is defined throughout, spread evenly over the recordings."""
        steered = self.recordings.has("action")
        pool = WindowPool(embedded, split, ("state", "truth.state", *(("action",) if steered else ())), frames)
        batch = pool.windows.batch(np.arange(len(pool)))
        truth = batch["truth.state"].numpy().astype(np.float64)
        defined = np.asarray(np.isfinite(truth[:, :, self.columns("x", "y").ravel()]).all((1, 2)))
        picked = pool.draw(defined, count, rng)
        return Passages(
            pool.recording[picked], pool.start[picked], batch["state"].numpy()[picked],
            batch["action"].numpy()[picked] if steered else None, truth[picked],
        )  # fmt: skip

    def model(self, untrained_seed: int | None = None) -> StateDynamics:
        """The judged state dynamics, or one with fresh weights of a seed, as a floor."""
        seed = self._seed if untrained_seed is None else untrained_seed
        if seed not in self._models:
            self._models[seed] = load_judged(
                StateDynamics, StateDynamicsConfig, self._path, "state_dynamics", seed, self.bench
            )
        return self._models[seed]

    def foretell(
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
            forecast = model(model.turned(states), actions, given, noise)
            return torch.stack([forecast.mean, forecast.log_variance.exp()], 1)

        mean, variance = self.bench.map(network, states, actions, noise).transpose(1, 0, 2, 3)
        return mean, variance

    def turned(self, states: np.ndarray) -> np.ndarray:
        """World states [..., D] on the model's axes."""
        return self.bench.map(self.model().turned, states)


class ReadOut:
    """Linear maps from a state on the model's axes to the variables of the truth, by ridge regression.

    Args:
        states: [n, D], on the model's axes.
        truth: [n, variables]; NaN where it is not defined.
        columns: the variables to read.
    """

    def __init__(self, states: np.ndarray, truth: np.ndarray, columns: np.ndarray) -> None:
        weights, offsets = [], []
        for column in columns:
            rows = np.isfinite(truth[:, column])
            ridge = RidgeCV(STRENGTHS).fit(states[rows].astype(np.float64), truth[rows, column])
            weights.append(ridge.coef_)
            offsets.append(ridge.intercept_)
        self._weights, self._offsets = np.stack(weights, 1), np.array(offsets)

    def __call__(self, states: np.ndarray) -> np.ndarray:
        """[..., D] -> [..., variables]."""
        return states @ self._weights + self._offsets

    def variance(self, variance: np.ndarray) -> np.ndarray:
        """Variances on the axes [..., D] -> variances of what is read, without the read-out's own error."""
        return variance @ self._weights**2
