"""The dream that `sensorium play` plays, frame by frame, as bytes for its page."""

from __future__ import annotations

import json
import time
from http import HTTPStatus
from typing import Any

import numpy as np

from sensorium.interactive.actions import keys_of, pressed
from sensorium.interactive.environment import dream_environment
from sensorium.interactive.parts import DreamParts

MOST_KEYS = 32  # that are down together


class Refused(Exception):
    """A request that is not served: its status and the reason."""

    def __init__(self, status: HTTPStatus, reason: str) -> None:
        super().__init__(reason)
        self.status = status


class Game:
    """The one dream that is played, and the seconds that its frames took.

    Args:
        parts: recordings and models.
        typical_error: round-trip error of true frames, above zero (`typical_round_trip_error`).
        context, denoising_steps, stillness, seed: as for `dream_environment`.
        first: recording to begin with, of any split; None: the first one for tests.
    """

    def __init__(
        self,
        parts: DreamParts,
        typical_error: float,
        *,
        context: int,
        denoising_steps: int,
        seed: int,
        stillness: float = 0.0,
        first: str | None = None,
    ) -> None:
        self.keys = keys_of(parts.action)
        self._parts, self._typical_error = parts, typical_error
        self._settings = dict(context=context, denoising_steps=denoising_steps, stillness=stillness, seed=seed)
        names = [name for name in parts.names() if parts.latents.frames(name) >= context]
        if first is not None:
            names = [first, *(name for name in names if name != first)]
        self._environment = dream_environment(
            parts, names, context=context, denoising_steps=denoising_steps, stillness=stillness, seed=seed
        )
        self._begun = 0
        self.seconds: list[float] = []

    def begin(self) -> bytes:
        """A new dream, of the next recording; its last true frame."""
        picture = self._environment.reset(self._begun).frame
        self._begun += 1
        frames, samples = self._parts.rates
        header = {
            "session": self._begun,
            "recording": self._environment.beginning.name,
            **self._settings,
            "keys": self.keys,
            "height": picture.shape[0],
            "width": picture.shape[1],
            "frames_per_second": frames,
            "sample_rate": samples,
        }
        return pack(header, picture)

    def step(self, session: object, keys: object) -> bytes:
        """The next frame of the dream, steered by the keys that are down.

        Raises:
            Refused: if another page has begun a dream since, or the keys are no list of names.
        """
        if not isinstance(keys, list) or len(keys) > MOST_KEYS or not all(isinstance(key, str) for key in keys):
            raise Refused(HTTPStatus.BAD_REQUEST, f"keys: a list of at most {MOST_KEYS} names is needed")
        if not self._begun or session != self._begun:
            raise Refused(HTTPStatus.CONFLICT, "another page has begun a dream; begin again to take it over")
        action = pressed(self._parts.action, keys)
        began = time.perf_counter()
        observation = self._environment.step(action)
        self.seconds.append(time.perf_counter() - began)
        header = {
            "action": None if action is None else action.tolist(),
            "doubt": observation.round_trip_error / self._typical_error,
            "seconds": self.seconds[-1],
        }
        return pack(header, observation.frame, observation.sound)


def pack(header: dict[str, Any], picture: np.ndarray, sound: np.ndarray | None = None) -> bytes:
    """A frame as the page reads it: length of the header (uint32), header (JSON), picture (RGB), sound if there is any.

    Args:
        header: what else the page shows.
        picture: uint8 [H, W, 3].
        sound: int16 [S], little endian like the length; None: silence.
    """
    text = json.dumps(header, allow_nan=False).encode()
    return len(text).to_bytes(4, "little") + text + picture.tobytes() + (b"" if sound is None else sound.tobytes())
