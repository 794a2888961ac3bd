"""The objective of codes of songs: the right answer in latents, and what two linear probes should find in the codes."""

from __future__ import annotations

from torch import Tensor, nn

from sensorium.data.sample_formats import to_sounds
from sensorium.music.cascade_learner import error_ratio
from sensorium.music.latents import CosineLatents
from sensorium.music.song_codes import CodeComposer, chroma_of, onset_strength
from sensorium.music.stem_variation import vary_stems
from sensorium.randomness import Draw
from sensorium.training.learner import Batch, Gate, Learner, Metrics

GAIN = 6.0  # dB, largest change of loudness of a stem


class SongCodesLearner(Learner):
    """Logarithm of the relative error of drums_A + harmony_B, and squared errors of the probes.

    Args:
        composer: the model.
        supervision: weight of the probes.
    """

    def __init__(self, composer: CodeComposer, supervision: float) -> None:
        super().__init__()
        self.composer, self.supervision = composer, supervision
        self.latents = CosineLatents()

    @property
    def model(self) -> nn.Module:
        """The model."""
        return self.composer

    def forward(self, batch: Batch, draw: Draw) -> tuple[Tensor, Metrics]:
        """Mean over pairs."""
        stems = to_sounds(batch["stems"])
        if self.training:
            stems = vary_stems(stems, draw, GAIN)
        mixtures = stems[:, 0::2] + stems[:, 1::2]
        found = self.composer(self.latents.encode(mixtures.flatten(0, 1)).unflatten(0, mixtures.shape[:2]))
        ratio = error_ratio(found.latents, self.latents.encode(stems[:, 0] + stems[:, 3])).mean()
        onsets = (found.onsets - onset_strength(stems[:, 0])).float().square().mean()
        chroma = (found.chroma - chroma_of(stems[:, 3])).float().square().mean()
        loss = ratio + self.supervision * (onsets + chroma)
        return loss, {"error_db": 10 * ratio.detach(), "onsets": onsets.detach(), "chroma": chroma.detach()}

    def gates(self, batch: Batch) -> list[Gate]:
        """None: a study judges it."""
        return []
