"""The control of joint training: the fusion trained for as many steps, with the encoders frozen.

It shows what of a gain comes from more steps of the fusion alone. The fusion gets the encoders' embeddings of whole,
undisturbed recordings, which are there already; disturbing pictures and sounds is for encoders that learn from it.
Loss, batches, optimiser and average of the weights are those of the joint training.
"""

from __future__ import annotations

import copy

import torch
from torch import Tensor

from sensorium.data.recording import RecordingSet
from sensorium.data.windows import Windows
from sensorium.evaluation.harness import Bench
from sensorium.models.parts import Parts
from sensorium.perception.config import FinetuneConfig
from sensorium.perception.embed import EmbeddedRecordings
from sensorium.perception.encoders import AudioEncoder, VisionEncoder
from sensorium.perception.evaluation.world_readout import Embedded
from sensorium.perception.finetune import fit_heads
from sensorium.perception.fusion import Fusion
from sensorium.perception.fusion_learner import FIELDS, PredictionHeads, hidden_senses
from sensorium.perception.joint import Joint
from sensorium.perception.joint_learner import JointLearner
from sensorium.perception.train_fusion import measure_changes
from sensorium.progress import track
from sensorium.randomness import Draw, sample_indices, stable_seed
from sensorium.training.learner import Batch
from sensorium.training.optimiser import Optimiser


class FusionAlone(JointLearner):
    """The joint learner on embeddings instead of pictures and sounds: its encoders are not run, so nothing drifts.

    Batch: vision_embedding, audio_embedding and body, if there is one, float32 [B, frames + ahead, width].
    """

    def embed(self, batch: Batch, draw: Draw) -> Tensor:
        """As the joint learner does: image and sound embedding, errors, and changes of the encoders, here none."""
        fusion, frames = self.joint.fusion, self.joint.fusion_config.frames
        given = {sense: batch[FIELDS[sense]][:, :frames] for sense in fusion.widths}
        present = hidden_senses(self.joint.fusion_config, len(fusion.widths), draw)
        errors = self.prediction_heads.errors(fusion(**given, present=present), self._truth(batch))
        images, sounds = fusion.image_embedding(given["vision"]), fusion.sound_embedding(given["audio"])
        return torch.cat([images, sounds, errors, errors.new_zeros(len(errors), 2)], dim=1)


def train_fusion_alone(bench: Bench, recordings: RecordingSet, known: Embedded) -> Fusion:
    """The fusion after the steps of the joint training, with its encoders as they were.

    Args:
        bench: has the trained parts, and the joint model whose settings are used.
        recordings: of the world.
        known: embeddings of its training recordings by the separately trained encoders.
    """
    parts, before = bench.parts, bench.parts.load(Fusion)
    section = parts.section("finetuned", FinetuneConfig)
    if "fusion" in section.frozen:
        return before
    embedded = EmbeddedRecordings(
        recordings,
        {name: {FIELDS[sense]: values for sense, values in senses.items()} for name, senses in known.items()},
    )
    learner, windows = _learner(parts, section, embedded, bench.device)
    training = section.training
    optimiser = Optimiser(learner, training)
    learner.train()
    for step in track(range(training.steps), "steps with frozen encoders"):
        rows = sample_indices(training.seed, step, training.batch, len(windows))
        batch = {name: values.to(bench.device) for name, values in windows.batch(rows).items()}
        draw = Draw(stable_seed(training.seed, "frozen"), step, 0, training.batch, training.batch, bench.device)
        loss, _ = learner(batch, draw)
        optimiser.clear()
        loss.backward()
        optimiser.update(step, optimiser.norms())
    with optimiser.averaged():
        return copy.deepcopy(learner.joint.fusion).eval().requires_grad_(False)


def _learner(
    parts: Parts, section: FinetuneConfig, embedded: EmbeddedRecordings, device: torch.device
) -> tuple[FusionAlone, Windows]:
    """The learner as the joint training begins, with heads fitted to the fusion, and its training windows."""
    frozen = section.model_copy(update={"frozen": ("vision", "audio")})
    joint = Joint(frozen, parts.manifest("finetuned")["details"]["shapes"])
    trained = {"vision": parts.load(VisionEncoder), "audio": parts.load(AudioEncoder), "fusion": parts.load(Fusion)}
    for name, part in trained.items():
        getattr(joint, name).load_state_dict(part.state_dict())
    heads = PredictionHeads(joint.fusion_config, joint.fusion.components)
    measure_changes(heads, joint.fusion, embedded)
    frames = joint.fusion_config.frames + max(joint.fusion_config.offsets)
    windows = Windows(embedded, "training", tuple(FIELDS[sense] for sense in joint.fusion.widths), frames)
    fit_heads(heads.to(device), joint.fusion.to(device), windows, device)
    return FusionAlone(frozen, joint, heads).to(device), windows
