"""The way of tokens into the transformer through a filter: their posterior, and a convolution that detects motion.

Layouts: B windows, T frames, N tokens a frame (video first, then sound), C channels, D width.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from sensorium.generation.kalman import Gaussian, kalman_filter
from sensorium.generation.memory import FilterCarry

_FRAMES = 3  # that the stem reads: a frame and those before it


class FilteredPath(nn.Module):
    """What the transformer sees of noised tokens: not the tokens but their posterior under a random walk.

    The stem, a convolution over three frames and the grid of video tokens, detects motion at all places alike. The
    scene, an earlier frame of the recording, is added to all frames through a convolution of its own.

    Args:
        streams: tokens a frame of "video" and "audio"; either may be missing.
        side: height and width of the video tokens; (1, N) if they form no grid.
        channels: C.
        dim: D.
    """

    def __init__(self, streams: dict[str, int], side: tuple[int, int], channels: int, dim: int) -> None:
        super().__init__()
        self.streams, self._side = streams, side
        self.read_video = self.read_scene = None
        if "video" in streams:
            across = 3 if side[0] > 1 else 1
            kernel, padding = (_FRAMES, across, across), (0, across // 2, across // 2)
            self.read_video = nn.Conv3d(channels + 1, dim, kernel, padding=padding)
        self.read_audio = nn.Conv2d(channels + 1, dim, (_FRAMES, 1)) if "audio" in streams else None
        if "video" in streams:
            self.read_scene = nn.Conv2d(channels, dim, across, padding=across // 2, bias=False)
            nn.init.zeros_(self.read_scene.weight)  # training starts without a scene

    def filter(self, frames: Tensor, tau: Tensor, change: Tensor, carry: FilterCarry | None) -> tuple[Gaussian, Tensor]:
        """Posterior of the clean tokens [B, T, N, C], and inputs of the stem: its mean and tau, [B, 2 + T, N, C + 1].

        Args:
            frames: [B, T, N, C], each noised to its own level.
            tau: the levels, [B, T].
            change: mean squared change a frame of standardised tokens, [N, C].
            carry: of the frames before; None: there are none.
        """
        posterior = kalman_filter(frames, tau, change, carry.posterior if carry else None)
        level = tau[..., None, None].expand(*frames.shape[:3], 1)
        inputs = torch.cat([posterior.mean, level], dim=-1)
        before = inputs.new_zeros(len(inputs), _FRAMES - 1, *inputs.shape[2:]) if carry is None else carry.stem
        return posterior, torch.cat([before, inputs], dim=1)

    def after(self, kept: int, posterior: Gaussian, inputs: Tensor) -> FilterCarry:
        """The carry after the first `kept` frames of `filter`, one at least."""
        return FilterCarry(posterior.map(lambda part: part[:, kept - 1]), inputs[:, kept : kept + _FRAMES - 1])

    def after_each(self, posterior: Gaussian, inputs: Tensor) -> FilterCarry:
        """The carry after each of the frames of `filter`, [B T, ...]."""
        stem = inputs[:, 1:].unfold(1, _FRAMES - 1, 1).movedim(-1, 2)  # of each frame and the one before
        return FilterCarry(posterior.map(lambda part: part.flatten(0, 1)), stem.flatten(0, 1))

    def stem(self, inputs: Tensor) -> Tensor:
        """Features of each token, its neighbours and the frames before, [B, 2 + T, N, C + 1] -> [B, T, N, D]."""
        parts = dict(zip(self.streams, inputs.split(list(self.streams.values()), dim=2), strict=True))
        features = []
        if self.read_video is not None:
            video = parts["video"].unflatten(2, self._side).movedim(-1, 1)
            features.append(self.read_video(video).flatten(3).permute(0, 2, 3, 1))
        if self.read_audio is not None:
            features.append(self.read_audio(parts["audio"].movedim(-1, 1)).permute(0, 2, 3, 1))
        return torch.cat(features, dim=2)

    def encode_scene(self, video: Tensor) -> Tensor:
        """Features that standardised video tokens of a frame [B, n, C] add to all tokens, [B, N, D]; zero at sound."""
        assert self.read_scene is not None
        features = self.read_scene(video.movedim(-1, 1).unflatten(2, self._side)).flatten(2).transpose(1, 2)
        return F.pad(features, (0, 0, 0, self.streams.get("audio", 0)))
