"""What `control` asks of long dreams in any world: some of their frames, those of floors, and their look.

Layouts: n windows, H frames of a dream that are judged, S x S pixels.
"""

from __future__ import annotations

from collections.abc import Mapping
from functools import cached_property

import numpy as np
import torch

from sensorium.data.sample_formats import to_images
from sensorium.evaluation.sample import Sample
from sensorium.generation.dream_config import ControlConfig
from sensorium.generation.evaluation.dreams import Studio, true_pictures
from sensorium.generation.evaluation.permanence import Look

AHEAD = (1, 4, 8, 16, 32, 64)  # frames after which a dream is judged
PICTURES = 512  # training pictures whose patches are known


class LongDreams:
    """Test windows, and what is shown after them at the frames that are judged.

    Attributes:
        ahead: these frames, counted from the last one given.
        sample: the windows, as long as the recordings allow.
        replayed: as many windows of training recordings.
        known: training pictures, one a window.

    Args:
        studio: where dreams are made.
        config: the section.
        rng: draws windows.
        frames: to dream.
    """

    def __init__(self, studio: Studio, config: ControlConfig, rng: np.random.Generator, frames: int) -> None:
        self.studio, self.given = studio, config.context
        self.ahead = np.array([ahead for ahead in AHEAD if ahead <= frames])
        recordings = studio.recordings
        length = min(self.given + frames, *(recordings.frames(name) for name in recordings.names("test")))
        self.sample = studio.sample(length, config.windows, rng)
        past = min(recordings.frames(name) for name in recordings.names("training"))
        self.replayed = studio.sample(min(length, past), config.windows, rng, "training")
        self.known = studio.sample(studio.past + 1, PICTURES, rng, "training")
        self._rng = rng

    @property
    def fitted_on(self) -> set[str]:
        """Recordings that the floors of all worlds are made of."""
        return {*self.replayed.names, *self.known.names}

    def dreams(self, actions: Mapping[str, np.ndarray], untrained: bool = False) -> dict[str, np.ndarray]:
        """Tokens of dreams under several choices of actions, which are dreamed side by side: it takes half the time.

        Args:
            actions: name of a choice -> [n, given + frames, ...].
            untrained: dream with fresh weights, as a floor.

        Returns:
            tokens by choice, context first, [n, given + frames, N, C].
        """
        moves, count = np.concatenate(list(actions.values())), len(self.sample)
        rows = self.sample.rows(np.tile(np.arange(count), len(actions)))
        dreamed = self.studio.dream(rows, moves.shape[1] - self.given, moves, untrained=untrained)
        tokens = np.concatenate([rows["tokens"][:, : self.given], dreamed], 1)
        return {name: tokens[number * count :][:count] for number, name in enumerate(actions)}

    def shown(self, tokens: np.ndarray) -> np.ndarray:
        """Pictures of tokens [n, given + frames, N, C] at the frames that are judged, [n, H, 3, S, S]."""
        last = self.given - 1 + self.ahead
        return np.concatenate([self.studio.pictures(tokens[:, : frame + 1], int(frame)) for frame in last], 1)

    def coded(self, films: np.ndarray) -> np.ndarray:
        """Films uint8 [n, given + frames, S, S, 3] at the frames that are judged, as the tokenizer shows them."""
        last, past = self.given - 1 + self.ahead, self.studio.past
        parts = [films[:, max(0, frame - past) : frame + 1] for frame in last]
        return np.concatenate([self.studio.through(images(part), part.shape[1] - 1) for part in parts], 1)

    def floors(self) -> dict[str, np.ndarray]:
        """What is shown without a dream, by name: [n, H, 3, S, S] each."""
        count, tokens = len(self.ahead), self.replayed["tokens"]
        held = self.studio.pictures(self.sample["tokens"][:, : self.given], self.given - 1)
        order = self._rng.integers(len(tokens), size=len(self.sample))
        frames = np.minimum(self.given - 1 + self.ahead, tokens.shape[1] - 1)
        replay = [self.studio.pictures(tokens[order, : frame + 1], int(frame)) for frame in frames]
        return {
            "last frame held": np.repeat(held, count, 1),
            "mean picture": np.broadcast_to(self.mean_picture, (len(held), count, *held.shape[2:])),
            "a training recording": np.concatenate(replay, 1),
        }

    @cached_property
    def mean_picture(self) -> np.ndarray:
        """Of training recordings, [3, S, S]."""
        mean: np.ndarray = true_pictures(self.known, -1).mean((0, 1))
        return mean

    def looks(self, shown: Mapping[str, np.ndarray], truth: np.ndarray) -> dict[str, np.ndarray]:
        """Distance to the nearest training patches over that of the true frames, by what is shown: [H] each."""
        look = Look(self.studio.pictures(self.known["tokens"], self.studio.past)[:, 0], self.studio.bench.device)
        own = look(truth).mean(0)
        return {name: look(pictures).mean(0) / np.maximum(own, 1e-9) for name, pictures in shown.items()}


def images(video: np.ndarray) -> np.ndarray:
    """uint8 [..., S, S, 3] -> float32 [..., 3, S, S] in [0, 1]."""
    return to_images(torch.from_numpy(np.ascontiguousarray(video))).numpy()


def curves(values: Mapping[str, np.ndarray]) -> dict[str, list[float]]:
    """The mean over windows [n, H] at each frame that is judged, by name, for notes."""
    return {name: value.mean(0).tolist() for name, value in values.items()}


def extended(sample: Sample, frames: int, others: np.ndarray) -> np.ndarray:
    """Actions of each window, and after its end those of row others[i] from its beginning: [n, frames, ...]."""
    own = sample["action"]
    parts = [own[:, :frames]]
    while (missing := frames - sum(part.shape[1] for part in parts)) > 0:
        parts.append(own[others, :missing])
    return np.concatenate(parts, 1)
