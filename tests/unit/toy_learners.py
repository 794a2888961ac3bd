"""Every learner of the project, tiny and untrained, each with a batch: for tests of what holds for all of them."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial

import torch
from toy_adversarial import SoundDuel
from toy_generation import fine_dynamics
from toy_music import codec_with_critic, music_cascade, music_codec, music_mask
from toy_puzzles import joint_puzzle, legacy_puzzle, list_puzzle, next_puzzle, sight_puzzle, sound_puzzle

from sensorium.agent.agent import Actor, Agent
from sensorium.agent.cloning_learner import CloningLearner
from sensorium.agent.config import CloningConfig, ImaginationConfig
from sensorium.agent.imagination_learner import ImaginationLearner
from sensorium.config import AudioAugmentation
from sensorium.forecasting.config import StateDynamicsConfig
from sensorium.forecasting.state_dynamics_learner import StateDynamicsLearner
from sensorium.generation.audio_tokenizer import AudioTokenizer
from sensorium.generation.audio_tokenizer_learner import SoundLearner
from sensorium.generation.config import DynamicsConfig
from sensorium.generation.dynamics import Dynamics
from sensorium.generation.dynamics_learner import DynamicsLearner
from sensorium.generation.tokenizer_config import AudioTokenizerConfig, TransformerTokenizerConfig, VideoTokenizerConfig
from sensorium.generation.tokenizers import VideoTokenizer
from sensorium.generation.video_tokenizer_learner import TokenizerLearner
from sensorium.models.recompute import recompute_layers
from sensorium.perception.config import (
    AudioEncoderConfig,
    Contrast,
    FinetuneConfig,
    FusionConfig,
    VisionEncoderConfig,
)
from sensorium.perception.contrastive_learner import AudioContrast, VisionContrast
from sensorium.perception.fusion_learner import FIELDS, FusionLearner, PredictionHeads
from sensorium.perception.joint import Joint
from sensorium.perception.joint_learner import JointLearner
from sensorium.training.learner import Batch, Learner

ROWS, SIZE, RATE, SAMPLES = 6, 16, 4800, 320  # pixels a side; samples a second and a frame
VISION = VisionEncoderConfig(width=8, dim=16)
AUDIO = AudioEncoderConfig(
    width=8, dim=16, mels=16, augmentation=AudioAugmentation(pitch=2, stretch=0.1, formant=1, noise=20)
)
FUSION = FusionConfig(dim=32, heads=2, layers=1, frames=6, offsets=(-2, 3), components=12)
WIDTHS = {"vision": 256, "audio": 16, "body": 3}  # the grid of that encoder, flattened; its ear; a body
VIDEO = VideoTokenizerConfig(width=4, channels=3)
PATCHES = VideoTokenizerConfig(
    kind="transformer", channels=3, transformer=TransformerTokenizerConfig(dim=32, heads=2, layers=2, frames=3, patch=4)
)
SOUND = AudioTokenizerConfig(width=8, layers=2, frames=3)
DYNAMICS = DynamicsConfig(
    dim=32, heads=2, key_heads=1, layers=4, time_every=2, registers=1, frames=4, long_frames=8, window=6,
    bootstrap=0.5, dreamed=0.6, images=0.3,
)  # fmt: skip
TOKENS = {"video": 4, "grid": True, "audio": 2, "channels": 3, "action": {"kind": "continuous", "size": 2}}
CLONING = CloningConfig(distances=2)
IMAGINATION = ImaginationConfig(context=3, horizon=2, denoising_steps=1)


def pictures(frames: int) -> torch.Tensor:
    """Video uint8 [ROWS, frames, SIZE, SIZE, 3]."""
    return torch.randint(256, (ROWS, frames, SIZE, SIZE, 3), dtype=torch.uint8)


def sounds(frames: int) -> torch.Tensor:
    """Audio int16 [ROWS, frames * SAMPLES]."""
    return torch.randint(-9000, 9000, (ROWS, frames * SAMPLES), dtype=torch.int16)


def vision(objective: str = "nt_xent") -> tuple[Learner, Batch]:
    """Contrast of pictures."""
    config = VISION.model_copy(update={"contrast": Contrast(objective=objective)})
    return VisionContrast(config, {"size": SIZE}), {"video": pictures(config.neighbours + 1)}


def audio() -> tuple[Learner, Batch]:
    """Contrast of sounds, whose pitch, tempo and formants are changed."""
    return AudioContrast(AUDIO, {"sample_rate": RATE, "samples_per_frame": SAMPLES}), {"audio": sounds(AUDIO.frames)}


def embedded() -> Batch:
    """Embeddings and body for a fusion."""
    frames = FUSION.frames + max(FUSION.offsets)
    return {FIELDS[sense]: torch.randn(ROWS, frames, width) for sense, width in WIDTHS.items()}


def fusion() -> tuple[Learner, Batch]:
    """Fusion of embeddings."""
    return FusionLearner(FUSION, WIDTHS), embedded()


def joint() -> tuple[Learner, Batch]:
    """Encoders and fusion together."""
    shapes = {
        "vision": {"config": VISION.model_dump(), "shapes": {"size": SIZE}},
        "audio": {"config": AUDIO.model_dump(), "shapes": {"sample_rate": RATE, "samples_per_frame": SAMPLES}},
        "fusion": {"config": FUSION.model_dump(), "shapes": WIDTHS},
    }
    model, frames = Joint(FinetuneConfig(), shapes), FUSION.frames + max(FUSION.offsets)
    learner = JointLearner(FinetuneConfig(), model, PredictionHeads(FUSION, model.fusion.components))
    return learner, embedded() | {"video": pictures(frames), "audio": sounds(frames)}


def state_dynamics() -> tuple[Learner, Batch]:
    """Forecasts of world states."""
    config = StateDynamicsConfig(width=16, context=3, horizon=4)
    batch = {"state": torch.randn(ROWS, 7, 8), "action": torch.rand(ROWS, 7, 2)}
    return StateDynamicsLearner(config, {"state": 8, "action": TOKENS["action"]}), batch


def tokenizer(config: VideoTokenizerConfig) -> tuple[Learner, Batch]:
    """Reconstruction of pictures."""
    model = VideoTokenizer(config, {"size": SIZE})
    return TokenizerLearner(model, config), {"video": pictures(model.frames)}


def sound_tokenizer() -> tuple[Learner, Batch]:
    """Reconstruction of sounds."""
    model = AudioTokenizer(SOUND, {"samples_per_frame": SAMPLES})
    return SoundLearner(model, SOUND.wave_weight, RATE), {"audio": sounds(4)}


def sound_duel() -> tuple[Learner, Batch]:
    """A filter of sounds and its critic."""
    return SoundDuel(), {"audio": sounds(2)}


def tokens(frames: int) -> Batch:
    """Encoded pictures and sounds with actions and rewards."""
    return {
        "latent": torch.randn(ROWS, frames, 4, 3).half(),
        "sound": torch.randn(ROWS, frames, 2, 3).half(),
        "scene": torch.randn(ROWS, 4, 3).half(),
        "action": torch.rand(ROWS, frames, 2) * 2 - 1,
        "reward": torch.randn(ROWS, frames),
    }


def dynamics(recomputed: bool = False) -> tuple[Learner, Batch]:
    """Shortcut forcing, with clips that are bootstrapped, dreamed, and single frames."""
    model = DynamicsLearner(Dynamics(DYNAMICS, TOKENS), DYNAMICS, VideoTokenizer(VIDEO, {"size": SIZE}))
    assert not recomputed or recompute_layers(model) == DYNAMICS.layers
    return model, tokens(DYNAMICS.long_frames)


def agent() -> Agent:
    """A clone."""
    return Agent(CLONING, {"dynamics": {"config": DYNAMICS.model_dump(mode="json"), "shapes": TOKENS}})


def cloning() -> tuple[Learner, Batch]:
    """Imitation of a player."""
    learner = CloningLearner(agent(), CLONING, DYNAMICS, VideoTokenizer(VIDEO, {"size": SIZE}))
    return learner, tokens(DYNAMICS.long_frames + CLONING.distances)


def imagination() -> tuple[Learner, Batch]:
    """Learning to act in dreams."""
    actor = Actor(IMAGINATION, {"dim": 32, "distances": 2, "action": TOKENS["action"]})
    return ImaginationLearner(actor, agent(), IMAGINATION), tokens(IMAGINATION.context)


LEARNERS: dict[str, Callable[[], tuple[Learner, Batch]]] = {
    "vision": vision,
    "vision, VICReg": partial(vision, "vicreg"),
    "audio": audio,
    "fusion": fusion,
    "joint": joint,
    "state dynamics": state_dynamics,
    "tokenizer of frames": partial(tokenizer, VIDEO),
    "tokenizer of patches": partial(tokenizer, PATCHES),
    "tokenizer of sound": sound_tokenizer,
    "critic of sounds": sound_duel,
    "dynamics": dynamics,
    "dynamics, recomputed": partial(dynamics, recomputed=True),
    "dynamics on crops": partial(fine_dynamics, 1.0),
    "dynamics after their dreams": partial(fine_dynamics, 0.0),
    "dynamics that feel, on crops": partial(fine_dynamics, 1.0, 3),
    "dynamics that feel, after their dreams": partial(fine_dynamics, 0.0, 3),
    "cloning": cloning,
    "imagination": imagination,
    "puzzle codes of sound": sound_puzzle,
    "puzzle codes of pictures": sight_puzzle,
    "common space of puzzle codes": joint_puzzle,
    "next grid of sight": next_puzzle,
    "mask of drums": music_mask,
    "cascade on latents": music_cascade,
    "codec of music": music_codec,
    "codec of music, with a critic": codec_with_critic,
    "codec of music, residual": partial(music_codec, "rvq"),
    "puzzle list of sound": list_puzzle,
    "preset of sounds": partial(legacy_puzzle, "sound_legacy"),
    "preset of texts": partial(legacy_puzzle, "text_legacy"),
}
