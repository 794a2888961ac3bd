"""Train encoders and fusion together, end to end, initialised from the separately trained parts."""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch.nn import functional as F

from sensorium.artifacts import read_manifest
from sensorium.config import parse_section
from sensorium.data.recording import RecordingSet
from sensorium.data.windows import JoinedWindows, Windows
from sensorium.models.parts import Parts
from sensorium.perception.config import FinetuneConfig
from sensorium.perception.encoders import AudioEncoder, VisionEncoder
from sensorium.perception.fusion import Fusion
from sensorium.perception.fusion_learner import FIELDS, PredictionHeads
from sensorium.perception.joint import Joint
from sensorium.perception.joint_learner import JointLearner
from sensorium.perception.train_fusion import SPLITS, EmbeddedRecordings, embed, measure_changes
from sensorium.randomness import sample_indices
from sensorium.training.execution import Execution, add_training_arguments
from sensorium.training.stage import train_stage

REVISION = 3
FIT_WINDOWS = 1024  # on which the linear heads are fitted
FIT_ROWS = 64  # windows of a pass
RIDGE = 1e-3  # regularisation of that fit, relative to the mean square of the states


def make(
    section: FinetuneConfig,
    shapes: dict[str, Any],
    recordings: RecordingSet,
    embedded: EmbeddedRecordings,
    vision: VisionEncoder,
    audio: AudioEncoder,
    fusion: Fusion,
    device: torch.device,
) -> tuple[JointLearner, JoinedWindows, JoinedWindows]:
    """The learner, initialised from the trained parts, with training and validation windows.

    Args:
        section: of this stage.
        shapes: of the joint model.
        recordings: the recordings of the world.
        embedded: their embeddings by the trained encoders.
        vision, audio, fusion: the trained parts.
        device: where the heads are fitted.
    """
    joint = Joint(section, shapes)
    for name, part in (("vision", vision), ("audio", audio), ("fusion", fusion)):
        getattr(joint, name).load_state_dict(part.state_dict())
    frames = joint.fusion_config.frames + max(joint.fusion_config.offsets)
    fields = ("video", "audio", *(("body",) if "body" in fusion.widths else ()))
    training, validation = (
        JoinedWindows(
            Windows(recordings, split, fields, frames),
            **{FIELDS[sense]: Windows(embedded, split, (FIELDS[sense],), frames) for sense in ("vision", "audio")},
        )
        for split in SPLITS
    )
    heads = PredictionHeads(joint.fusion_config, fusion.components)
    measure_changes(heads, fusion.cpu(), embedded)
    fit_heads(heads.to(device), fusion.to(device), training, device)
    learner = JointLearner(section, joint, heads)
    names = embedded.names("training")
    grids, sounds = (
        [torch.from_numpy(embedded.field(name, FIELDS[sense])) for name in names] for sense in ("vision", "audio")
    )
    learner.remember(grids, sounds)
    return learner, training, validation


@torch.no_grad()
def fit_heads(heads: PredictionHeads, fusion: Fusion, windows: Windows | JoinedWindows, device: torch.device) -> None:
    """Fit the prediction heads to the trained fusion by ridge regression on training windows."""
    frames, inputs, targets = heads.config.frames, [], []
    indices = sample_indices(0, 0, min(FIT_WINDOWS, len(windows)), len(windows))
    for part in np.array_split(indices, -(-len(indices) // FIT_ROWS)):
        batch = {name: values.to(device) for name, values in windows.batch(part).items()}
        senses = {sense: batch[FIELDS[sense]] for sense in fusion.widths}
        states = fusion(**{sense: values[:, :frames] for sense, values in senses.items()})
        targets_of = heads.targets([fusion.calibrated(sense, values) for sense, values in senses.items()])
        first = max(start for start, _ in targets_of)
        inputs.append(F.pad(states[:, first:], (0, 1), value=1.0).flatten(0, 1))
        targets.append(
            torch.cat([values[:, first - start :] for start, parts in targets_of for values in parts], -1).flatten(0, 1)
        )
    x, y = torch.cat(inputs).double(), torch.cat(targets).double()
    gram = x.T @ x
    ridge = RIDGE * gram.diagonal().mean() * torch.eye(len(gram), dtype=gram.dtype, device=gram.device)
    solved = torch.linalg.solve(gram + ridge, x.T @ y).float()
    heads.heads.weight.copy_(solved[:-1].T)
    heads.heads.bias.copy_(solved[-1])


def main(argv: list[str]) -> None:
    """Run `sensorium finetune`."""
    parser = argparse.ArgumentParser(prog="sensorium finetune", description=__doc__)
    parser.add_argument("--config", required=True, help="section finetune, as JSON")
    parser.add_argument("--data", type=Path, required=True, help="manifest of the recordings")
    parser.add_argument("--vision", type=Path, required=True, help="manifest of the vision encoder")
    parser.add_argument("--audio", type=Path, required=True, help="manifest of the audio encoder")
    parser.add_argument("--fusion", type=Path, required=True, help="manifest of the fusion")
    parser.add_argument("--output", type=Path, required=True, help="folder of the joint model")
    add_training_arguments(parser)
    args = parser.parse_args(argv)
    section = parse_section(FinetuneConfig, args.config)
    execution = Execution.from_args(args)
    recordings = RecordingSet.open(args.data)
    parts = {"vision": args.vision, "audio": args.audio, "fusion": args.fusion}
    given = Parts(
        {"data": args.data, "encoders/vision": args.vision, "encoders/audio": args.audio, "fusion": args.fusion}
    )
    given.use("data", "encoders/vision", "encoders/audio", "fusion")
    vision, audio, fusion = given.load(VisionEncoder), given.load(AudioEncoder), given.load(Fusion)
    shapes: dict[str, Any] = {}
    for name, path in parts.items():
        made = read_manifest(path)
        shapes[name] = {"config": made["config"], "shapes": made["details"]["shapes"]}

    def build() -> tuple[JointLearner, JoinedWindows, JoinedWindows]:
        device = execution.prepare()
        embedded = embed(recordings, vision, audio, device)
        return make(section, shapes, recordings, embedded, vision, audio, fusion, device)

    train_stage(
        stage="finetuned",
        revision=REVISION,
        section=section,
        inputs={"data": args.data, **parts},
        output=args.output,
        build=build,
        execution=execution,
        shapes=shapes,
    )
