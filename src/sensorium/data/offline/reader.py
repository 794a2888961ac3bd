"""An episode of any layout as recordings: pictures made square, actions put before the frame that they led to.

`led` says how rows are meant. If action[t] led to frame t, rows are taken as they are. If it is what was done in frame
t, it led to frame t + 1: the first action is none (zeros, or the first choice), and an action that no frame follows is
left out, while its reward and its end are added to the last frame.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import numpy as np

from sensorium.data.cuts import Cuts, Piece
from sensorium.data.offline.episode import MOST_PIXELS, Episode
from sensorium.data.picture_levels import PictureLevels
from sensorium.data.picture_track import is_narrow, squared
from sensorium.data.quarantine import BadRecordingError
from sensorium.data.sound_levels import SoundLevels

BEYOND = 1e-3  # by which scaled numbers may exceed their bounds, as rounding makes them
TRUTH = "truth."
WHITE = 255


class EpisodeReader:
    """One pass over an open episode.

    Args:
        episode: it.
        job: what is read, from `data.sources.episodes.job`.
        alive: called with every picture.

    Attributes:
        found: (reason, detail) of all that was noticed so far.
        frames: that it has.
        cuts: how it was cut.
    """

    def __init__(self, episode: Episode, job: dict[str, Any], alive: Callable[[], None] = lambda: None) -> None:
        self._episode, self._job, self._alive = episode, job, alive
        self.found: list[tuple[str, str]] = []
        self.frames = episode.form(job["picture"])[1][0]
        self.cuts = Cuts([(0, None, "")], job["cuts"]["frames"], job["cuts"]["shortest"])
        self._levels = PictureLevels()

    def pieces(self) -> Iterator[Piece]:
        """The recordings.

        Raises:
            BadRecordingError: if an array is missing, or cannot be what it is for.
        """
        fields, kept, made = self._fields(), list[np.ndarray](), 0
        for picture in self._episode.pictures(self._job["picture"]):
            self._alive()
            kept.append(self._shown(picture))
            made += 1
            for piece in self.cuts.due(made, last=False):
                yield self._filled(piece, fields, kept)
        if made != self.frames:
            raise BadRecordingError(f"{made} of {self.frames} pictures", "lengths")
        for piece in self.cuts.due(made, last=True):
            yield self._filled(piece, fields, kept)

    def verdicts(self) -> list[tuple[str, str]]:
        """(reason, detail) of all that was noticed, after the last piece."""
        return [*self.found, *self._levels.verdicts()]

    def _filled(self, piece: Piece, fields: dict[str, np.ndarray], kept: list[np.ndarray]) -> Piece:
        del kept[: piece.first - self.cuts.taken]
        own = {"video": np.stack(kept[: piece.frames])}
        del kept[: piece.frames]
        self.cuts.taken = piece.first + piece.frames
        for name, array in fields.items():
            each = len(array) // self.frames
            own[name] = array[piece.first * each : self.cuts.taken * each]
        return Piece(piece.first, piece.frames, piece.split, own)

    # pictures ---------------------------------------------------------------------------------------------------------

    def _shown(self, picture: np.ndarray) -> np.ndarray:
        pixels = picture if picture.ndim == 3 else picture[..., None]
        if pixels.ndim == 3 and pixels.shape[0] in (1, 3, 4) and pixels.shape[2] not in (1, 3, 4):
            pixels = pixels.transpose(1, 2, 0)
        if pixels.ndim != 3 or pixels.shape[2] not in (1, 3, 4) or not pixels.size:
            raise BadRecordingError(
                f"{self._job['picture']!r} has pictures of {list(picture.shape)}: height, width and 1, 3 or 4 channels "
                "are needed",
                "wrong_array",
            )
        if pixels.shape[0] * pixels.shape[1] > MOST_PIXELS:
            raise BadRecordingError(f"pictures of {list(picture.shape)}", "too_large")
        pixels = self._eight_bits(pixels)
        if pixels.shape[2] == 4:
            alpha = pixels[..., 3:].astype(np.uint16)
            pixels = ((pixels[..., :3] * alpha + WHITE // 2) // WHITE).astype(np.uint8)
        pixels = np.repeat(pixels, 3, axis=2) if pixels.shape[2] == 1 else pixels
        if is_narrow(pixels):
            self._note("narrow", "")
        shown = squared(pixels, self._job["wanted"]["size"], self._job["wanted"]["fit"])
        self._levels.add(shown)
        return shown

    def _eight_bits(self, pixels: np.ndarray) -> np.ndarray:
        if pixels.dtype == np.uint8:
            return pixels
        if pixels.dtype.kind == "f":
            if not np.isfinite(pixels).all():
                raise BadRecordingError("non-finite pictures", "non_finite")
            if pixels.min() >= 0 and pixels.max() <= 1:
                self._note("fractions", "")
                return np.round(pixels * WHITE).astype(np.uint8)
        raise BadRecordingError(
            f"pictures of {pixels.dtype} from {pixels.min():g} to {pixels.max():g}: bytes, or floats from 0 to 1, are "
            "needed",
            "wrong_array",
        )

    def _note(self, reason: str, detail: str) -> None:
        if (reason, detail) not in self.found:
            self.found.append((reason, detail))

    # rows -------------------------------------------------------------------------------------------------------------

    def _fields(self) -> dict[str, np.ndarray]:
        """All fields but the pictures, of the whole episode."""
        job, fields = self._job, dict[str, np.ndarray]()
        if job["action"]:
            fields["action"] = self._choices() if job["kind"] == "discrete" else self._values()
        if job["body"]:
            parts = [self._scaled(name, self._whole(name)) for name in job["body"]]
            fields["body"] = np.concatenate([part.reshape(self.frames, -1) for part in parts], 1).astype(np.float32)
        if job["reward"]:
            fields["reward"] = self._arrived(job["reward"]).astype(np.float32)
        if job["end"]:
            fields["continue"] = (self._arrived(job["end"]) == 0).astype(np.float32)
        if job["sound"]:
            fields["audio"] = self._sound()
        for name in self._episode.names():
            if name.startswith(TRUTH) and job["layout"] == "lerobot":
                array = self._whole(name, finite=False)
                shape = job["shapes"].get(name)
                fields[name] = array if shape is None else array.reshape(self.frames, *shape)
        return fields

    def _read(self, name: str, finite: bool = True) -> np.ndarray:
        array = self._episode.array(name)
        if finite and array.dtype.kind == "f" and not np.isfinite(array).all():
            raise BadRecordingError(f"{name!r} has {int((~np.isfinite(array)).sum())} numbers not finite", "non_finite")
        return array

    def _whole(self, name: str, finite: bool = True) -> np.ndarray:
        """An array with a row for each frame."""
        array = self._read(name, finite)
        if len(array) != self.frames:
            raise BadRecordingError(f"{name!r} has {len(array)} rows, there are {self.frames} pictures", "lengths")
        return array

    def _steps(self, name: str) -> np.ndarray:
        """An array with a row for each step, of which there may be one less than frames."""
        array, led = self._read(name), self._job["led"]
        if len(array) != self.frames and (led or len(array) != self.frames - 1):
            raise BadRecordingError(f"{name!r} has {len(array)} rows, there are {self.frames} pictures", "lengths")
        return array

    def _led(self, steps: np.ndarray) -> np.ndarray:
        """Rows of steps put at the frames that they led to."""
        if self._job["led"]:
            return steps
        return np.concatenate([np.zeros_like(steps[:1]), steps[: self.frames - 1]])

    def _arrived(self, name: str) -> np.ndarray:
        """One number a step, float64 [T]; what comes after the last frame is added to it."""
        steps = self._steps(name).astype(np.float64).reshape(-1)
        if len(steps) not in (self.frames, self.frames - 1):
            raise BadRecordingError(f"{name!r} has several numbers in a row", "wrong_array")
        arrived = self._led(steps)
        if not self._job["led"] and len(steps) == self.frames:
            arrived[-1] += steps[-1]
        return arrived

    def _values(self) -> np.ndarray:
        """Numbers float32 [T, A] in [-1, 1]."""
        steps = self._steps(self._job["action"])
        values = self._scaled(self._job["action"], steps).reshape(len(steps), -1)
        largest = float(np.abs(values).max(initial=0))
        if largest > 1 + BEYOND:
            raise BadRecordingError(
                f"{self._job['action']!r} reaches {largest:.4g}, and actions are from -1 to 1: scale them, or let "
                "data.bounds be set where the set states bounds",
                "beyond",
            )
        return self._led(np.clip(values, -1, 1).astype(np.float32))

    def _choices(self) -> np.ndarray:
        """Choices int64 [T]; a row of numbers of which one is 1 is a choice, too."""
        steps, count = self._steps(self._job["action"]), int(self._job["choices"])
        steps = steps.reshape(len(steps), -1)
        if steps.shape[1] == count > 1:
            steps = steps.argmax(1)[:, None]
        wrong = (steps < 0) | (steps >= count) | (steps % 1 != 0)
        if steps.shape[1] != 1 or wrong.any():
            what = f"{steps[wrong][0]:g}" if wrong.any() else f"{steps.shape[1]} numbers in a row"
            raise BadRecordingError(f"{self._job['action']!r} has {what}; choices are 0 to {count - 1}", "beyond")
        return self._led(steps[:, 0].astype(np.int64))

    def _scaled(self, name: str, array: np.ndarray) -> np.ndarray:
        """Numbers from their bounds to [-1, 1]; one whose bounds are equal becomes 0."""
        scale = self._job["scales"].get(name)
        if scale is None:
            return array
        low, high = (np.asarray(each, np.float64) for each in scale)
        rows = array.reshape(len(array), -1)
        if rows.shape[1] != len(low):
            raise BadRecordingError(f"{name!r} has {rows.shape[1]} numbers, bounds are for {len(low)}", "wrong_array")
        half = np.where(high > low, (high - low) / 2, np.inf)
        return (rows - (low + high) / 2) / half

    def _sound(self) -> np.ndarray:
        """Samples int16 [T * samples]."""
        sound, samples = self._whole(self._job["sound"]), int(self._job["samples"])
        if sound.dtype != np.int16 or sound.size != self.frames * samples:
            raise BadRecordingError(
                f"{self._job['sound']!r} is {sound.dtype} {list(sound.shape)}: int16, {samples} in a row, is needed",
                "wrong_array",
            )
        levels = SoundLevels()
        levels.add(sound.reshape(-1))
        self.found += [found for found in levels.verdicts() if found[0] != "silent"]  # a world may be silent
        return sound.reshape(-1)
