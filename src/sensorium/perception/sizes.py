"""Sizes of perception by arithmetic: numbers of its networks, and bytes that its programs hold. Never imports torch."""

from __future__ import annotations

from sensorium.config.counts import FLOAT, Counts, blocks, linear, recorded, split_frames, vectors
from sensorium.perception.config import AudioEncoderConfig, PerceptionSettings, VisionEncoderConfig


def vision_grid(config: VisionEncoderConfig, size: int) -> int:
    """Numbers of the vision encoder's last grid, which fusion reads."""
    width, side = config.width, size // 2
    while side >= 8:
        width, side = 2 * width, (side + 1) // 2
    return width * side * side


def vision_encoder(config: VisionEncoderConfig, size: int) -> Counts:
    """`VisionEncoder`."""
    width, side = config.width, size // 2
    channels = 3 + 8 * config.priors.edges + 3 * config.priors.depth
    total = linear(25 * channels, width) + vectors(width, 2)
    while side >= 8:
        total += linear(9 * width, 2 * width) + vectors(2 * width, 4) + linear(9 * 2 * width, 2 * width)
        width, side = 2 * width, (side + 1) // 2
    return total + linear(vision_grid(config, size), config.dim)


def audio_encoder(config: AudioEncoderConfig) -> Counts:
    """`AudioEncoder`."""
    width, bands, channels, total = config.width, config.mels, 1 + config.priors.onset, Counts()
    for kernel, stride, grown in ((7, 4, width), (3, 2, 2 * width), (3, 2, 4 * width)):
        total += linear(3 * kernel * channels, grown) + vectors(grown, 2)
        channels, bands = grown, -(-bands // stride)
    return total + linear(channels * bands, config.dim)


def projector(dim: int, out: int) -> Counts:
    """`contrastive_learner.projector`."""
    return linear(dim, 2 * dim) + linear(2 * dim, out)


def sense_widths(settings: PerceptionSettings) -> dict[str, int]:
    """Numbers a frame of each sense that fusion reads."""
    senses = settings.encoders
    widths = {"vision": vision_grid(senses.vision, settings.data.size), "audio": senses.audio.dim}
    body = recorded(settings.data).body
    return widths | ({"body": body} if body else {})


def fusion(settings: PerceptionSettings) -> Counts:
    """`Fusion`."""
    config, widths = settings.fusion, sense_widths(settings)
    parts = {sense: min(width, config.components) for sense, width in widths.items()}
    total = blocks(config, config.layers) + vectors(config.dim, 1 + len(parts))
    for sense, count in parts.items():
        if sense == "body":
            hidden = max(32, 4 * count)
            total += linear(count, config.dim) + linear(count, hidden) + linear(hidden, config.dim, bias=False)
        else:
            total += linear(count, config.dim)
        total += Counts(buffers=widths[sense] * (1 + count))
    hidden, width = max(32, config.dim // 2), max(8, config.dim // 8)
    for sense in ("vision", "audio"):
        total += linear(parts[sense], hidden) + linear(hidden, width)
        total += vectors(hidden, 2) + linear(3 * hidden, hidden) + linear(3 * hidden, hidden)
    return total


def prediction_heads(settings: PerceptionSettings) -> Counts:
    """`PredictionHeads`."""
    config, widths = settings.fusion, sense_widths(settings)
    numbers = sum(min(width, config.components) for width in widths.values())
    changes = Counts(buffers=len(widths) * len(config.offsets))
    return linear(config.dim, (1 + len(config.offsets)) * numbers) + changes


def models(settings: PerceptionSettings) -> dict[str, Counts]:
    """Folder of each trained model, below results/ -> its numbers."""
    vision = vision_encoder(settings.encoders.vision, settings.data.size)
    audio, state = audio_encoder(settings.encoders.audio), fusion(settings)
    return {"encoders/vision": vision, "encoders/audio": audio, "fusion": state, "finetuned": vision + audio + state}


def learners(settings: PerceptionSettings) -> dict[str, Counts]:
    """Folder of each trained model -> numbers of its learner, which has heads that are not exported."""
    known, encoders = models(settings), settings.encoders
    heads = prediction_heads(settings)
    seen, heard = encoders.vision.dim, encoders.audio.dim
    frozen = {"vision": "encoders/vision", "audio": "encoders/audio", "fusion": "fusion"}
    trained = heads
    for part, folder in frozen.items():
        own = known[folder]
        fixed = part in settings.finetune.frozen
        trained += Counts(buffers=own.parameters + own.buffers) if fixed else own
    kept = Counts(buffers=vision_grid(encoders.vision, settings.data.size) * seen + 2 * seen + heard)
    return {
        "encoders/vision": known["encoders/vision"] + projector(seen, encoders.vision.contrast.projection),
        "encoders/audio": known["encoders/audio"] + projector(heard, encoders.audio.contrast.projection),
        "fusion": known["fusion"] + heads,
        "finetuned": trained + kept,
    }


def held(settings: PerceptionSettings) -> dict[str, int]:
    """Rule -> bytes of the arrays that it holds on the host: embeddings of every frame, and windows cut from them."""
    data, judged, state = settings.data, settings.evaluations, settings.fusion
    frame = FLOAT * sum(sense_widths(settings).values())
    frames = {split: split_frames(data, split) for split in ("training", "validation", "test")}
    learned_from = (frames["training"] + frames["validation"]) * frame
    window = state.frames * frame
    picture = 3 * data.size**2
    clip = (state.frames + max(state.offsets)) * (picture + 2 * recorded(data).samples + frame)

    def read(samples: int) -> int:  # windows of training and of test, and standardised copies of their last frames
        return 2 * samples * (window + 6 * frame)

    return {
        "train_fusion": learned_from + 3 * settings.fusion.training.batch * clip,
        "finetune": learned_from + 3 * settings.finetune.training.batch * clip,
        "retrieval": frames["test"] * frame + judged.retrieval.queries * (window + clip),
        "few_shot": 2 * frames["test"] * frame + 4 * judged.few_shot.samples * window,
        "world_state": frames["training"] * frame + read(judged.world_state.samples),
        "finetuning": (frames["training"] + frames["test"]) * frame + read(judged.finetuning.world_state.samples),
    }
