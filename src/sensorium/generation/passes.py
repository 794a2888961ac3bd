"""What passes of the dynamics hand on: frames on their way into the transformer, and what comes out of it.

Layouts: B windows, T frames, N tokens a frame, C channels, D width, n tokens of the transformer for all streams of a
frame, A agent tokens.
"""

from __future__ import annotations

from typing import NamedTuple

from torch import Tensor

from sensorium.generation.body_sense import Expected, Felt
from sensorium.generation.fine_path import Looked, Mixture
from sensorium.generation.kalman import Gaussian
from sensorium.generation.sound_onsets import Onset


class Seen(NamedTuple):
    """Frames on their way.

    Attributes:
        tokens: for the transformer, [B, T, n, D].
        looked: what the fine path needs of the frames that are denoised; None without one.
        filtered: posterior and inputs of the filtered path, of all frames; None without one.
        whole: what the fine path keeps of the last frames before and of all frames: video, sound if its onsets are
            drawn, and body sense, [B, LAST_FRAMES + T, N, C]; None without a fine path.
        felt: the body sense; None without one.
    """

    tokens: Tensor
    looked: Looked | None
    filtered: tuple[Gaussian, Tensor] | None
    whole: Tensor | None
    felt: Felt | None = None


class Prediction(NamedTuple):
    """Output of a pass.

    Attributes:
        tokens: clean tokens, standardised, [B, T, N, C].
        agent: states of the agent tokens, [B, T, A, D].
        mixture: what the video tokens come from, of B T pictures; None without a fine path.
        expected: of the body sense; None without one.
        heard: what may be heard, [B, T, ...]; None if onsets are not drawn.
    """

    tokens: Tensor
    agent: Tensor
    mixture: Mixture | None = None
    expected: Expected | None = None
    heard: Onset | None = None
