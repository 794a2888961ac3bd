"""Joint training of encoders and fusion, end to end: prediction of the senses, and pairs of pictures and sounds.

Targets come from the encoders as they were before, so they cannot collapse. The inputs are augmented pictures and
sounds, the targets are those of the originals. Each encoder's own embedding is held to what it was (knowledge
distillation against forgetting: Li and Hoiem 2016, "Learning without Forgetting"), every dimension in units of its own
standard deviation: readouts standardise embeddings, so a small dimension counts as much as a large one. The target for
hearing is the former encoder's embedding of the same window: in a whole recording the first frames of a window have a
past, and predicting an embedding that used it would change the embeddings of short windows.
"""

from __future__ import annotations

import copy
from collections.abc import Sequence

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from sensorium.data.augment import QUIETEST_NOISE, add_noise, jitter
from sensorium.data.sample_formats import to_images, to_sounds
from sensorium.models.precision import in_float32
from sensorium.perception.config import FinetuneConfig
from sensorium.perception.contrastive_learner import collapse_gates
from sensorium.perception.fusion_learner import FIELDS, PredictionHeads, hidden_senses, symmetric_info_nce
from sensorium.perception.joint import Joint
from sensorium.randomness import Draw
from sensorium.training.learner import Batch, CoupledLearner, Gate, Metrics

STILL = 1e-3  # smallest variance of a dimension, as a share of the mean one
KEPT = 0.5  # share of an embedding's std, rank and differences that must remain


class JointLearner(CoupledLearner):
    """The joint model, linear heads that read from its world state, and its encoders' embeddings as they were.

    Batch: video uint8 [B, frames + ahead, H, W, 3], audio int16 [B, (frames + ahead) * samples], body float32
    [B, frames + ahead, P] or absent; vision_embedding and audio_embedding float32 [B, frames + ahead, width]: of the
    encoders before. Ahead is the largest offset of the fusion.

    Args:
        config: of the joint stage.
        joint: the trained encoders and fusion, to be changed.
        heads: fitted to that fusion (`finetune.fit_heads`).
    """

    kept: Tensor
    kept_bias: Tensor
    vision_variance: Tensor
    audio_variance: Tensor

    def __init__(self, config: FinetuneConfig, joint: Joint, heads: PredictionHeads) -> None:
        super().__init__()
        self.config, self.joint = config, joint
        self.add_module("telling", heads)  # its name in checkpoints
        self._ear = [copy.deepcopy(joint.audio).eval().requires_grad_(False)]  # in a list, so it is not saved
        joint.train().requires_grad_(True)
        for part in config.frozen:
            getattr(joint, part).requires_grad_(False)
        self.register_buffer("kept", joint.vision.head.weight.detach().clone())
        self.register_buffer("kept_bias", joint.vision.head.bias.detach().clone())
        for sense, head in (("vision", joint.vision.head), ("audio", joint.audio.head)):
            self.register_buffer(f"{sense}_variance", torch.ones(head.out_features))  # of its embedding before

    def remember(self, grids: Sequence[Tensor], heard: Sequence[Tensor]) -> None:
        """Measure the embeddings' variances before training, from grids and sounds of each recording, [T, width]."""
        seen = [F.linear(grid, self.kept, self.kept_bias) for grid in grids]
        for kept, values in ((self.vision_variance, seen), (self.audio_variance, list(heard))):
            variance = torch.cat(values).var(0)
            kept.copy_(variance.clamp(min=STILL * float(variance.mean())))

    @property
    def model(self) -> nn.Module:
        """Encoders and fusion, without the heads."""
        return self.joint

    @property
    def prediction_heads(self) -> PredictionHeads:
        """The heads, which are not exported."""
        heads = self.get_submodule("telling")
        assert isinstance(heads, PredictionHeads)
        return heads

    def embed(self, batch: Batch, draw: Draw) -> Tensor:
        """Image and sound embedding, errors, and changes of the encoders' embeddings, side by side."""
        fusion, frames = self.joint.fusion, self.joint.fusion_config.frames
        seen, heard = self._perceive(batch, draw)
        given = {"vision": seen, "audio": heard}
        if "body" in fusion.widths:
            given["body"] = batch["body"][:, :frames]
        present = hidden_senses(self.joint.fusion_config, len(fusion.widths), draw)
        errors = self.prediction_heads.errors(fusion(**given, present=present), self._truth(batch))
        variances = (self.vision_variance, self.audio_variance)
        pairs = zip((self.joint.vision.head(seen), heard), self._before(batch), variances, strict=True)
        drifts = torch.stack(
            [((after - before).square() / variance).mean((1, 2)) for after, before, variance in pairs], 1
        )
        return torch.cat([fusion.image_embedding(seen), fusion.sound_embedding(heard), errors, drifts], dim=1)

    @in_float32
    def couple(self, embeddings: Tensor, draw: Draw) -> tuple[Tensor, Metrics]:
        """Errors of now and of the changes, image-sound alignment over the global batch, and the drifts."""
        offsets, window = self.joint.fusion_config.offsets, self.joint.fusion.window_width
        images, sounds, errors, drifts = embeddings.split([window, window, 1 + len(offsets), 2], dim=1)
        now, *changes = errors.mean(0)
        vision, audio = drifts.mean(0)
        alignment = symmetric_info_nce(images, sounds, self.joint.fusion_config.temperature)
        loss = now + torch.stack(changes).mean() + self.config.alignment_weight * alignment
        loss = loss + self.config.keep_weight * (vision + audio)
        found = (images.detach() @ sounds.detach().T).argmax(1) == torch.arange(len(images), device=images.device)
        return loss, {
            "error_now": now.detach(),
            **{f"error_change_{n:+d}": error.detach() for n, error in zip(offsets, changes, strict=True)},
            "alignment": alignment.detach(),
            "drift_vision": vision.detach(),
            "drift_audio": audio.detach(),
            "pairs_found": found.float().mean(),
        }

    def gates(self, batch: Batch) -> list[Gate]:
        """No collapse of the world state or of an embedding compared with before; the state must predict the senses."""
        frames = self.joint.fusion_config.frames
        video, sounds = self._inputs(batch)
        seen, heard = self.joint.see(video), self.joint.hear(sounds)
        body = batch["body"][:, :frames] if "body" in self.joint.fusion.widths else None
        states = self.joint.fusion(seen, heard, body)
        now = float(self.prediction_heads.errors(states, self._truth(batch)).detach().mean(0)[0])
        advice = "a lower lr, or a higher keep_weight"
        vision, audio = self._before(batch)
        embeddings = {"vision": (self.joint.vision.head(seen), vision), "audio": (heard, audio)}
        return [
            *collapse_gates(states[:, -1]),
            *(
                Gate(f"{sense}_{after.name}_kept", after.value / max(before.value, 1e-12), KEPT, advice)
                for sense, pair in embeddings.items()
                for after, before in zip(*(collapse_gates(values.flatten(0, 1)) for values in pair), strict=True)
            ),
            Gate("predicted_variance", 1 - now, 0.1, advice),
        ]

    def _before(self, batch: Batch) -> tuple[Tensor, Tensor]:
        """Embeddings of vision and of audio by the encoders as they were before, float32 [B, frames, dim]."""
        grid, sounds = batch[FIELDS["vision"]][:, : self.joint.fusion_config.frames], self._inputs(batch)[1]
        with torch.no_grad():
            ear = self._ear[0].to(sounds.device)
            return in_float32(F.linear)(grid, self.kept, self.kept_bias), in_float32(ear)(sounds)

    def _inputs(self, batch: Batch) -> tuple[Tensor, Tensor]:
        """Pictures float [B, frames, 3, H, W] in [0, 1] and sounds float [B, S], without what comes after."""
        frames = self.joint.fusion_config.frames
        video = to_images(batch["video"][:, :frames])
        samples = batch["audio"].shape[1] // batch["video"].shape[1]
        return video, to_sounds(batch["audio"][:, : frames * samples])

    def _perceive(self, batch: Batch, draw: Draw) -> tuple[Tensor, Tensor]:
        """Embeddings of augmented pictures and sounds; all frames of a window get the same augmentation."""
        video, sounds = self._inputs(batch)
        rows, frames = video.shape[:2]
        change = 1 + self.config.jitter * (2 * draw.uniform("jitter", 3) - 1)
        brightness, contrast, saturation = change.repeat_interleave(frames, 0).unbind(1)
        pictures = jitter(video.flatten(0, 1), brightness, contrast, saturation).unflatten(0, (rows, frames))
        ratio = self.config.noise + QUIETEST_NOISE * draw.uniform("ratio")
        return self.joint.see(pictures), self.joint.hear(
            add_noise(sounds, draw.normal("noise", sounds.shape[1]), ratio)
        )

    def _truth(self, batch: Batch) -> list[Tensor]:
        """Embeddings before, calibrated, [B, frames + ahead, n] each."""
        return [self.joint.fusion.calibrated(sense, batch[FIELDS[sense]]) for sense in self.joint.fusion.widths]
