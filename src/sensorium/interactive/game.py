"""The dream that `sensorium play` plays, frame by frame, as bytes for its page."""

from __future__ import annotations

import json
import time
from http import HTTPStatus
from typing import Any

import numpy as np

from sensorium.interactive.actions import keys_of, pressed, steering
from sensorium.interactive.environment import dream_environment
from sensorium.interactive.parts import SHARPEST, DreamParts

MOST_KEYS = 32  # that are down together
RECORDED = "recorded"  # in place of keys: the action of the recording


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
        context, denoising_steps, stillness, sharpness, seed: as for `dream_environment`.
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
        sharpness: float = 1.0,
        first: str | None = None,
    ) -> None:
        self.keys = keys_of(parts.action)
        self._parts, self._typical_error = parts, typical_error
        self._settings: dict[str, Any] = dict(
            context=context, denoising_steps=denoising_steps, stillness=stillness, sharpness=sharpness, seed=seed
        )
        names = [name for name in parts.names() if parts.latents.frames(name) >= context]
        if first is not None:
            names = [first, *(name for name in names if name != first)]
        self._environment = dream_environment(parts, names, **self._settings)
        self._sessions, self._number = 0, -1  # dreams begun; place of the recording among the names
        self.seconds: list[float] = []

    def begin(self, again: object, sharpness: object = None) -> bytes:
        """A new dream, of the next recording or again from the same moment; the true frames that it begins with.

        Args:
            again: whether from the same moment.
            sharpness: of this dream and those after it; None: as before.

        Raises:
            Refused: if `again` is no truth value, or the sharpness no number above 0 and not above SHARPEST.
        """
        if not isinstance(again, bool):
            raise Refused(HTTPStatus.BAD_REQUEST, "again: true or false is needed")
        if sharpness is not None:
            number = isinstance(sharpness, (int, float)) and not isinstance(sharpness, bool)
            if not number or not 0 < sharpness <= SHARPEST:  # type: ignore[operator]
                raise Refused(HTTPStatus.BAD_REQUEST, f"sharpness: a number above 0 and up to {SHARPEST} is needed")
            self._settings["sharpness"] = self._environment.dreamer.sharpness = float(sharpness)  # type: ignore[arg-type]
        if not again or not self._sessions:
            self._number += 1
        self._environment.reset(self._number)
        self._sessions += 1
        begun, parts = self._environment.beginning, self._parts
        self._frame, self._as_recorded = len(begun.pictures), True
        frames, samples = parts.rates
        header = {
            "session": self._sessions,
            "recording": begun.name,
            "recorded": parts.latents.frames(begun.name) - self._frame,
            **self._settings,
            "copies": parts.dynamics.fine is not None,
            "doubted": parts.tokenizer.pixels == 1,  # pixels that are tokens come back as they are, whatever they show
            "keys": self.keys,
            "steering": steering(parts.action),
            "height": begun.pictures.shape[1],
            "width": begun.pictures.shape[2],
            "frames_per_second": frames,
            "sample_rate": samples,
        }
        return pack(header, begun.pictures)

    def step(self, session: object, keys: object) -> bytes:
        """The next frame of the dream, steered by the keys that are down, or by the recorded action.

        Args:
            session: number of the dream.
            keys: names of keys, or RECORDED.

        Raises:
            Refused: if another page has begun a dream since, the keys are no list of names, or there is no recorded
                action any more.
        """
        names = keys if isinstance(keys, list) and all(isinstance(key, str) for key in keys) else None
        if (names is None or len(names) > MOST_KEYS) and keys != RECORDED:
            reason = f"keys: a list of at most {MOST_KEYS} names is needed, or {RECORDED!r}"
            raise Refused(HTTPStatus.BAD_REQUEST, reason)
        if not self._sessions or session != self._sessions:
            raise Refused(HTTPStatus.CONFLICT, "another page has begun a dream; begin again to take it over")
        action = self._recorded_action() if names is None else pressed(self._parts.action, names)
        began = time.perf_counter()
        observation = self._environment.step(action)
        self.seconds.append(time.perf_counter() - began)
        self._as_recorded &= keys == RECORDED or action is None
        pictures = [observation.frame]
        video = self._parts.recordings.field(self._environment.beginning.name, "video")
        if self._as_recorded and self._frame < len(video):
            pictures.append(video[self._frame])
        self._frame += 1
        header = {
            "action": None if action is None else action.tolist(),
            "truth": len(pictures) > 1,
            "doubt": observation.round_trip_error / self._typical_error,
            "felt": observation.body.tolist(),
            "seconds": self.seconds[-1],
        }
        return pack(header, np.stack(pictures), observation.sound)

    def _recorded_action(self) -> np.ndarray | None:
        if self._parts.action is None:
            return None
        actions = self._parts.latents.field(self._environment.beginning.name, "action")
        if self._frame >= len(actions):
            raise Refused(HTTPStatus.BAD_REQUEST, "the recording has ended: send keys, or begin again")
        return actions[self._frame]


def pack(header: dict[str, Any], pictures: np.ndarray, sound: np.ndarray | None = None) -> bytes:
    """An answer as the page reads it: length of the header (uint32), header (JSON), pictures (RGB), sound if any.

    Args:
        header: what else the page shows.
        pictures: uint8 [n, H, W, 3].
        sound: int16 [S], little endian like the length; None: silence.
    """
    text = json.dumps(header, allow_nan=False).encode()
    return len(text).to_bytes(4, "little") + text + pictures.tobytes() + (b"" if sound is None else sound.tobytes())
