"""Features of an impact for each sense: the body at its place in the picture, its sound, and what the hand feels."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import torch
from torch import Tensor

from sensorium.config.sound import COLUMNS
from sensorium.data.recording import RecordingSet
from sensorium.data.sample_formats import to_images, to_sounds
from sensorium.evaluation.baselines.picture_features import PICTURE_FEATURES
from sensorium.evaluation.baselines.sound_features import band_statistics, cepstra
from sensorium.evaluation.harness import Bench
from sensorium.evaluation.sample import Sample
from sensorium.models.spectrogram import LogMel
from sensorium.perception.encoders import AudioEncoder, VisionEncoder

SETTLING = 3  # frames of sound before the first that is used: as far as the encoder looks back
BEFORE, AFTER = 1, 2  # frames of sound and touch around an impact
LONG_BEFORE, LONG_AFTER = 4, 7  # frames in which the hand may carry the body, as far as there are any
EARLIEST = max(BEFORE + SETTLING, LONG_BEFORE)  # frames that an impact needs before it in its recording
LATEST = AFTER  # and after it
SPEED, CHANGE, PUSH, TOUCHING, RESISTED = slice(2, 4), slice(4, 6), slice(6, 8), 8, slice(10, 12)  # of the body sense
LEAST_SIDE = 4  # pixels, of which a neighbourhood's side is a multiple
NEIGHBOURHOOD = 0.375  # of a picture's side: 12 of 32 pixels
BANDS = 64
FAINT = 0.02  # added to a magnitude before its logarithm


def sight(bench: Bench, recordings: RecordingSet, impacts: Sample, vision: VisionEncoder) -> np.ndarray:
    """The vision encoder's grid at the place of the body, between the four nearest of its cells: [n, channels].

    The place comes from the truth; what body is there does not.
    """
    pictures = _pictures(recordings, impacts)

    def look(video: Tensor, place: Tensor) -> Tensor:
        grid = vision.grid(to_images(video)).unflatten(1, (-1, vision.side, vision.side))
        where = (2 * place.to(grid.dtype) - 1)[:, None, None]
        found = torch.nn.functional.grid_sample(grid, where, padding_mode="border", align_corners=False)
        return found[:, :, 0, 0]

    return bench.map(look, pictures, impacts["place"])


def plain_sight(recordings: RecordingSet, impacts: Sample) -> np.ndarray:
    """Features without a network of the pixels around the place of the body, [n, width]."""
    pictures = to_images(torch.from_numpy(_pictures(recordings, impacts))).numpy()
    side = max(LEAST_SIDE, int(NEIGHBOURHOOD * pictures.shape[-1]) // LEAST_SIDE * LEAST_SIDE)
    padded = np.pad(pictures, ((0, 0), (0, 0), (side // 2, side // 2), (side // 2, side // 2)), mode="edge")
    left, top = (np.round(impacts["place"] * pictures.shape[-1]).clip(0, pictures.shape[-1]).astype(int)).T
    around = np.stack([picture[:, y : y + side, x : x + side] for picture, x, y in zip(padded, left, top, strict=True)])
    return np.concatenate([feature(around) for feature in PICTURE_FEATURES.values()], 1)


def plain_hearing(bench: Bench, recordings: RecordingSet, impacts: Sample) -> np.ndarray:
    """Cepstra and statistics of the bands of the sound around the impact, [n, width]."""
    spectrogram = LogMel(
        BANDS, int(recordings.details["sample_rate"]), int(recordings.details["samples_per_frame"])
    ).to(bench.device)
    spectra = hearing(bench, recordings, impacts, lambda sound: _by_frame(spectrogram(sound)))
    spectra = spectra.reshape(len(spectra), -1, BANDS).swapaxes(1, 2)
    return np.concatenate([cepstra(spectra), band_statistics(spectra)], 1)


def _by_frame(spectra: Tensor) -> Tensor:
    """[n, bands, columns] -> [n, frames, columns of a frame * bands]."""
    return spectra.transpose(1, 2).unflatten(1, (-1, COLUMNS)).flatten(2)


def _pictures(recordings: RecordingSet, impacts: Sample) -> np.ndarray:
    places = zip(impacts.groups, impacts.start, strict=True)
    return np.stack([recordings.field(name, "video")[frame] for name, frame in places])


def hearing(
    bench: Bench, recordings: RecordingSet, impacts: Sample, embed: AudioEncoder | Callable[[Tensor], Tensor]
) -> np.ndarray:
    """Embeddings of the frames around the impact, side by side: [n, (BEFORE + 1 + AFTER) * dim]."""
    samples = int(recordings.details["samples_per_frame"])
    first, last = impacts.start - BEFORE - SETTLING, impacts.start + AFTER + 1
    waves = np.stack(
        [
            recordings.field(name, "audio")[a * samples : b * samples]
            for name, a, b in zip(impacts.groups, first, last, strict=True)
        ]
    )
    return bench.map(lambda audio: embed(to_sounds(audio))[:, SETTLING:].flatten(1), waves)


def touch(recordings: RecordingSet, impacts: Sample) -> np.ndarray:
    """The playroom's body sense around the impact, its magnitudes as logarithms, and the push over a longer time.

    Masses multiply, so a linear readout needs logarithms: push = mass * change of velocity.
    """
    rows = []
    for name, frame in zip(impacts.groups, impacts.start, strict=True):
        body = recordings.field(name, "body")
        near, far = body[frame - BEFORE : frame + AFTER], body[frame - LONG_BEFORE : frame + LONG_AFTER + 1]
        sizes = [np.linalg.norm(near[:, part], axis=1) for part in (PUSH, CHANGE, SPEED, RESISTED)]
        along = near[BEFORE, PUSH] @ near[BEFORE - 1, SPEED] / (sizes[0][BEFORE] + FAINT)
        pushes = np.linalg.norm(far[:, PUSH], axis=1)
        lasting = np.sort(pushes[far[:, TOUCHING] > 0]) if far[:, TOUCHING].any() else np.zeros(1)
        carried = [pushes.sum(), lasting.mean(), np.median(lasting), lasting[0], *np.abs(far[:, PUSH].sum(0))]
        logarithms = np.log(np.concatenate([*sizes, [abs(along)], carried]) + FAINT)
        rows.append(np.concatenate([near.ravel(), [along, far[:, TOUCHING].sum()], logarithms]))
    return np.array(rows)
