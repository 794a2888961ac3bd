"""The clips of one training step of the dynamics, with all that is drawn for them.

Layouts: B windows, T frames, N tokens, C channels.
"""

from __future__ import annotations

from dataclasses import dataclass

from torch import Tensor

from sensorium.generation.shortcut_forcing import Levels
from sensorium.models.cache import rows_of


@dataclass(frozen=True)
class Clips:
    """Windows during a training step, [B, T, ...] each but the scene.

    Which rows are passed through the network depends on the two masks `bootstrapped` and `dreamed`. They are on the
    CPU, where the program can read them while a GPU still computes.

    Attributes:
        clean: tokens, standardised.
        noise: noise of the denoised frames, in the shape of `clean`.
        levels: levels of the denoised frames.
        bootstrapped: bool, frames whose target is two steps of half the size; the target of the others is the data.
        context_noise: noise of the context frames, in the shape of `clean`.
        context_tau: signal levels of the context frames.
        dream_noise: noise from which dreamed context frames are sampled, in the shape of `clean`.
        dreamed: bool, context frames that are dreamed.
        action: the action that led to each frame; None if there are no actions.
        labelled: bool, whether the actions of the frame's window are used.
        scene: an earlier frame of each recording, tokens of the tokenizer, [B, n, C].
        sharpness: of the dreams that a fine path is walked through.
    """

    clean: Tensor
    noise: Tensor
    levels: Levels
    bootstrapped: Tensor
    context_noise: Tensor
    context_tau: Tensor
    dream_noise: Tensor
    dreamed: Tensor
    action: Tensor | None
    labelled: Tensor
    scene: Tensor
    sharpness: float = 1.0

    def cut(self, rows: Tensor, length: int) -> Clips:
        """Some windows, bool [B] on the CPU, cut into clips of `length` frames that do not see each other."""

        def clips(x: Tensor) -> Tensor:
            return rows_of(x, rows).reshape(-1, length, *x.shape[2:])

        return Clips(
            clean=clips(self.clean),
            noise=clips(self.noise),
            levels=self.levels.map(clips),
            bootstrapped=clips(self.bootstrapped),
            context_noise=clips(self.context_noise),
            context_tau=clips(self.context_tau),
            dream_noise=clips(self.dream_noise),
            dreamed=clips(self.dreamed),
            action=None if self.action is None else clips(self.action),
            labelled=clips(self.labelled),
            scene=rows_of(self.scene, rows).repeat_interleave(self.clean.shape[1] // length, dim=0),
            sharpness=self.sharpness,
        )
