"""Windows of recordings as features that nobody had to learn take them: pictures, and log-mel spectrograms."""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping
from functools import partial

import numpy as np
import torch
from torch import Tensor, nn

from sensorium.data.sample_formats import to_images, to_sounds
from sensorium.evaluation.baselines.picture_features import PICTURE_FEATURES
from sensorium.evaluation.harness import Bench, WindowPool


def picture_features(
    bench: Bench, pool: WindowPool, rows: np.ndarray, names: Collection[str] = tuple(PICTURE_FEATURES)
) -> dict[str, np.ndarray]:
    """The named features of the first frame of the windows `rows`, float32 [n, width] each."""

    def of(batch: Mapping[str, Tensor], feature: Callable[[np.ndarray], np.ndarray]) -> Tensor:
        return torch.from_numpy(feature(to_images(batch["video"][:, 0]).cpu().numpy()))

    return {name: bench.run(pool, rows, partial(of, feature=PICTURE_FEATURES[name])) for name in names}


def sound_spectra(bench: Bench, pool: WindowPool, rows: np.ndarray, spectrogram: nn.Module) -> np.ndarray:
    """Log-mel spectrograms of the windows `rows`, float32 [n, bands, columns]."""
    return bench.run(pool, rows, lambda batch: spectrogram(to_sounds(batch["audio"])))
