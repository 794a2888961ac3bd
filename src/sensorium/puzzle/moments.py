"""Moments of the playroom as three grids each: a second of sound, the picture at its end, the sentence about it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from sensorium.data.recording import RecordingSet, Split
from sensorium.evaluation.harness import WindowPool
from sensorium.puzzle import legible_text, sentences
from sensorium.puzzle.config import SOUND_RATE
from sensorium.puzzle.sight_map import SightMap
from sensorium.puzzle.sound_map import SoundMap
from sensorium.puzzle.text_codes import TextCodes
from sensorium.randomness import stable_seed

SENSES = ("sound", "sight", "text")  # in the order in which grids stand
HEADER = 3 * legible_text.HEADER  # cells at the start of a text's grid: functions of the rest, and no content
PASS = 64


@dataclass(frozen=True)
class Moments:
    """Grids of moments, one row each.

    Attributes:
        grids: uint8 [n, 3, SIDE, SIDE], in the order of SENSES.
        groups: recording of each, [n].
        said: the sentence of each.
    """

    grids: np.ndarray
    groups: np.ndarray
    said: list[str]

    def __len__(self) -> int:
        return len(self.grids)

    def batch(self, indices: np.ndarray, seeds: Sequence[int] | None = None) -> dict[str, Tensor]:
        """Moments by number: "grids" uint8 [B, 3, SIDE, SIDE]."""
        return {"grids": torch.from_numpy(self.grids[indices])}


class ThreeCodes:
    """The codes of the three senses, frozen.

    Args:
        sound, sight: the maps.
        text: whose legible layout writes sentences.
        device: where the maps are.
    """

    def __init__(self, sound: SoundMap, sight: SightMap, text: TextCodes, device: torch.device | str = "cpu") -> None:
        self._sound, self._sight, self._text, self._device = sound, sight, text, torch.device(device)

    def moments(self, recordings: RecordingSet, split: Split, count: int, seed: int) -> Moments:
        """Up to `count` moments of a split, drawn evenly from its recordings.

        Raises:
            ConfigurationError: if no recording lasts for a second.
            ArtifactError: if the recordings lack what a sentence tells.
        """
        frames = SOUND_RATE // int(recordings.details["samples_per_frame"])
        pool = WindowPool(recordings, split, ("audio", "video", *sentences.FIELDS), frames)
        rng = np.random.default_rng(stable_seed(seed, "moments", split))
        rows = pool.draw(np.ones(len(pool), bool), count, rng)
        grids, said = [], []
        for part in np.split(rows, range(PASS, len(rows), PASS)):
            batch = pool.windows.batch(part)
            truth = {name: batch[name].numpy() for name in sentences.FIELDS}
            now = [sentences.sentence({name: truth[name][row] for name in truth}) for row in range(len(part))]
            grids.append(np.stack([self._coded(batch, "audio"), self._coded(batch, "video"), self.written(now)], 1))
            said += now
        return Moments(np.concatenate(grids), pool.recording[rows], said)

    def written(self, said: Sequence[str]) -> np.ndarray:
        """Sentences as grids of the legible layout, uint8 [n, SIDE, SIDE]; what is longer than a page is cut off."""
        return np.stack([self._text.encode(text.encode(), "legible")[0] for text in said])

    @torch.no_grad()
    def _coded(self, batch: dict[str, Tensor], stream: str) -> np.ndarray:
        model = self._sound if stream == "audio" else self._sight
        codes: Tensor = model.encode(model.view({stream: batch[stream].to(self._device)})).codes
        return codes.byte().cpu().numpy()
