"""Fixed bands of the spectrum of a frame, and the spectrum that has given energies in them.

Bands are triangles that overlap: each frequency belongs to two neighbours, in shares that add up to one, so that the
energies of the bands add up to that of the frame and the shares of a tone give its pitch away. The spectrum is a mean
over sine tapers (Riedel and Sidorenko 1995, "Minimum bias multiple taper spectral estimation").
Layouts: K bands, F samples a frame, Q bins of its spectrum. Frequencies are shares of the highest one, half the rate.
"""

from __future__ import annotations

import numpy as np
import torch
from torch import Tensor, nn

from sensorium.config.sound import band_places
from sensorium.models.precision import in_float32

TAPERS = 2
QUIETEST = 1e-10  # mean square that counts as silence: -100 dB


class SoundBands(nn.Module):
    """Energies of frames in K bands.

    Args:
        count: K.
        samples: F.

    Attributes:
        centres: of the bands, [K].
        widths: bins of each band, [K].
    """

    centres: Tensor
    widths: Tensor
    filters: Tensor
    tapers: Tensor

    def __init__(self, count: int, samples: int) -> None:
        super().__init__()
        self.count, self.samples = count, samples
        filters = shares(count, samples // 2 + 1)
        number, time = np.arange(1, TAPERS + 1)[:, None], np.arange(samples) + 0.5
        made = {
            "centres": np.array(band_places(count)),
            "widths": filters.sum(1),
            "filters": filters,
            "tapers": np.sqrt(2) * np.sin(np.pi * number * time / samples),
        }
        for name, values in made.items():
            self.register_buffer(name, torch.as_tensor(values, dtype=torch.float32), persistent=False)

    @in_float32
    def energies(self, frames: Tensor) -> Tensor:
        """Frames [..., F] -> mean square in each band [..., K], QUIETEST at least; they add up to the frame's."""
        spectrum = torch.fft.rfft(frames[..., None, :] * self.tapers)
        power = (spectrum.real.square() + spectrum.imag.square()).mean(-2)
        found = power @ self.filters.T
        whole = frames.square().mean(-1, keepdim=True)
        return found * (whole / found.sum(-1, keepdim=True).clamp_min(1e-20)) + QUIETEST

    def densities(self, energies: Tensor) -> Tensor:
        """Energies [..., K] -> level of a bin of each band, dB [..., K]."""
        return 10 * (energies / self.widths).log10()


def shares(count: int, bins: int) -> np.ndarray:
    """Share of each bin, from 0 to the highest frequency, that belongs to each band: float64 [count, bins]."""
    place = np.interp(np.linspace(0, 1, bins), band_places(count), np.arange(count))
    return np.maximum(1 - np.abs(place - np.arange(count)[:, None]), 0)
