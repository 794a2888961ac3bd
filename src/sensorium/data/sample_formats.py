"""How pictures and sound are stored, as integers, and how models see them, as floats.

On disk a video is uint8 with the channel last, and audio is int16. Models take images in [0, 1] with the channel
first, and sounds in [-1, 1).
"""

from __future__ import annotations

from torch import Tensor

WHITE = 255  # the largest 8-bit pixel value
FULL_SCALE = 32768  # the magnitude of the lowest 16-bit sample: int16 -> float -> int16 gives every sample back
LARGEST_SAMPLE = FULL_SCALE - 1  # the playroom scales by it, so that amplitudes of 1 and -1 can both be stored


def to_unit_range(pixels: Tensor) -> Tensor:
    """uint8 pixels of any layout -> floats in [0, 1]."""
    return pixels.float() / WHITE


def to_images(video: Tensor) -> Tensor:
    """Frames uint8 [..., H, W, 3] -> images float [..., 3, H, W] in [0, 1]."""
    return to_unit_range(video.movedim(-1, -3))


def to_video(images: Tensor) -> Tensor:
    """Images float [..., 3, H, W] -> frames uint8 [..., H, W, 3]; values outside [0, 1] are clipped."""
    return (WHITE * images.clamp(0, 1)).round().byte().movedim(-3, -1)


def to_sounds(audio: Tensor) -> Tensor:
    """Samples int16 [...] -> sounds float [...] in [-1, 1)."""
    return audio.float() / FULL_SCALE


def to_audio(sounds: Tensor) -> Tensor:
    """Sounds float [...] -> samples int16 [...]; values outside [-1, 1) are clipped."""
    return (FULL_SCALE * sounds).round().clamp(-FULL_SCALE, LARGEST_SAMPLE).short()
