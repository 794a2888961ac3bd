"""The learners of all stages, made of tensors that have shapes and no memory, and the passes of a training step.

A pass is what a step differentiates, but for small losses: `run(rows)` makes it for so many rows of a batch. Tensors
are fake ones of torch (`FakeTensorMode`): they claim to be on a CPU, so models do what they do there.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor, nn

from sensorium.agent.agent import Actor, Agent
from sensorium.agent.cloning_learner import CloningLearner
from sensorium.agent.imagination_learner import ImaginationLearner
from sensorium.config.counts import recorded
from sensorium.forecasting.state_dynamics_learner import StateDynamicsLearner
from sensorium.generation.audio_tokenizer import AudioTokenizer
from sensorium.generation.audio_tokenizer_learner import SoundLearner
from sensorium.generation.conditioning import FINEST, Conditioning
from sensorium.generation.dynamics import Dynamics
from sensorium.generation.dynamics_learner import DynamicsLearner
from sensorium.generation.sizes import frame_tokens
from sensorium.generation.tokenizers import VideoTokenizer
from sensorium.generation.video_tokenizer_learner import TokenizerLearner
from sensorium.music.cascade import Cascade
from sensorium.music.cascade_learner import CascadeLearner
from sensorium.music.codec import MusicCodec
from sensorium.music.codec_learner import CodecLearner
from sensorium.music.config import RATE
from sensorium.music.mask_learner import MaskLearner
from sensorium.music.mask_network import MaskNetwork
from sensorium.music.sizes import LATENTS
from sensorium.perception.contrastive_learner import AudioContrast, ContrastiveLearner, VisionContrast
from sensorium.perception.fusion_learner import FusionLearner
from sensorium.perception.joint import Joint
from sensorium.perception.joint_learner import JointLearner
from sensorium.perception.sizes import sense_widths
from sensorium.planning.fake_stage import META, Stage, empty
from sensorium.planning.puzzle_learners import PUZZLE_STAGES
from sensorium.randomness import Draw
from sensorium.settings import Config
from sensorium.training.learner import Learner


def stage(settings: Config, folder: str) -> Stage:
    """The stage that trains the model in a folder below results/."""
    makers: dict[str, Callable[[Config], Stage]] = {
        "encoders/vision": _vision,
        "encoders/audio": _audio,
        "fusion": _fusion,
        "finetuned": _finetuned,
        "state_dynamics": _state_dynamics,
        "tokenizers/video": _video_tokenizer,
        "tokenizers/audio": _audio_tokenizer,
        "dynamics": _dynamics,
        "clone": _clone,
        "agent": _agent,
        "music/mask": _music_mask,
        "music/cascade": _music_cascade,
        "music/codec": _music_codec,
        **PUZZLE_STAGES,
    }
    made = makers[folder](settings)
    with made.mode:
        for module in (made.learner, *made.frozen):
            _forget(module)
    return made


def _forget(module: nn.Module) -> None:
    """Replace all weights and buffers by fake tensors."""
    for part in module.modules():
        for name, weight in part._parameters.items():
            if weight is not None:
                blank = torch.empty(weight.shape, dtype=weight.dtype)
                part._parameters[name] = nn.Parameter(blank, weight.requires_grad)
        for name, buffer in part._buffers.items():
            if buffer is not None:
                part._buffers[name] = torch.empty(buffer.shape, dtype=buffer.dtype)


def _vision(settings: Config) -> Stage:
    learner = VisionContrast(settings.encoders.vision, {"size": settings.data.size})
    return Stage(learner, lambda rows: _embed(learner, empty(2 * rows, 3, settings.data.size, settings.data.size)))


def _audio(settings: Config) -> Stage:
    config, sound = settings.encoders.audio, _sound(settings)
    learner = AudioContrast(config, sound)  # not on the meta device: its filters are checked
    return Stage(learner, lambda rows: _embed(learner, empty(2 * rows, config.frames * sound["samples_per_frame"])))


def _embed(learner: ContrastiveLearner, views: Tensor) -> object:
    return learner.projector(learner.encode(views))


def _sound(settings: Config) -> dict[str, int]:
    data = settings.encoders.audio.data or settings.data
    return {"sample_rate": recorded(data).sample_rate, "samples_per_frame": recorded(data).samples}


def _fusion(settings: Config) -> Stage:
    config, widths = settings.fusion, sense_widths(settings)
    learner = FusionLearner(config, widths)

    def run(rows: int) -> object:
        given = {sense: empty(rows, config.frames, width) for sense, width in widths.items()}
        states, fusion = learner.fusion(**given), learner.fusion
        heads = learner.prediction_heads.heads(states)
        return states, heads, fusion.image_embedding(given["vision"]), fusion.sound_embedding(given["audio"])

    return Stage(learner, run)


def _finetuned(settings: Config) -> Stage:
    config, data, sound = settings.fusion, settings.data, _sound(settings)
    parts = {
        "vision": {"config": settings.encoders.vision.model_dump(), "shapes": {"size": data.size}},
        "audio": {"config": settings.encoders.audio.model_dump(), "shapes": sound},
        "fusion": {"config": config.model_dump(), "shapes": sense_widths(settings)},
    }
    joint = Joint(settings.finetune, parts)
    learner = JointLearner(settings.finetune, joint, FusionLearner(config, sense_widths(settings)).prediction_heads)
    body = recorded(data).body

    def run(rows: int) -> object:
        seen = joint.see(empty(rows, config.frames, 3, data.size, data.size))
        heard = joint.hear(empty(rows, config.frames * sound["samples_per_frame"]))
        states = joint.fusion(seen, heard, empty(rows, config.frames, body) if body else None)
        heads = learner.prediction_heads.heads(states), joint.vision.head(seen)
        return states, heads, joint.fusion.image_embedding(seen), joint.fusion.sound_embedding(heard)

    return Stage(learner, run)


def _state_dynamics(settings: Config) -> Stage:
    config, state, moves = settings.state_dynamics, settings.fusion.dim, recorded(settings.data).action
    with META:
        learner = StateDynamicsLearner(config, {"state": state, "action": moves})
    frames = config.context + config.horizon
    return Stage(
        learner,
        lambda rows: learner.dynamics(
            empty(rows, frames, state), _actions(rows, frames, moves), config.context, empty(rows, frames - 1, state)
        ),
    )


def _actions(rows: int, frames: int, action: dict[str, Any] | None) -> Tensor | None:
    if action is None:
        return None
    if action["kind"] == "discrete":
        return torch.empty(rows, frames, dtype=torch.int64)
    return empty(rows, frames, action["size"])


def _video_tokenizer(settings: Config) -> Stage:
    config, size = settings.tokenizers.video, settings.data.size
    with META:
        learner = TokenizerLearner(VideoTokenizer(config, {"size": size}), config)
    if config.kind == "patches":  # it is fitted without a step
        return Stage(learner, lambda rows: None)
    return Stage(learner, lambda rows: learner.tokenizer(empty(rows, learner.tokenizer.frames, 3, size, size)))


def _audio_tokenizer(settings: Config) -> Stage:
    config, known = settings.tokenizers.audio, recorded(settings.data)
    with META:
        tokenizer = AudioTokenizer(config, {"samples_per_frame": known.samples})
        learner = SoundLearner(tokenizer, config.wave_weight, known.sample_rate)

    if config.kind == "bands":  # it is fitted without a step
        return Stage(learner, lambda rows: None)

    def run(rows: int) -> object:  # with its loss, whose spectra take more than the network
        sounds = torch.empty(rows, config.frames * known.samples, dtype=torch.int16)
        return learner({"audio": sounds}, Draw(0, 0, 0, rows, rows, sounds.device))

    return Stage(learner, run)


def _music_mask(settings: Config) -> Stage:
    config = settings.music.mask
    return _on_songs(MaskLearner(MaskNetwork(config, {"rate": RATE}), config.gain), config.seconds)


def _music_cascade(settings: Config) -> Stage:
    config = settings.music.cascade
    return _on_songs(CascadeLearner(Cascade(config, {"scale": [1.0] * LATENTS}), config.gain), config.seconds)


def _on_songs(learner: Learner, seconds: float) -> Stage:
    """A stage that learns from pairs of songs."""

    def run(rows: int) -> object:  # with its loss, whose spectra take more than the network
        stems = torch.empty(rows, 4, round(RATE * seconds), dtype=torch.int16)
        return learner({"stems": stems}, Draw(0, 0, 0, rows, rows, stems.device))

    return Stage(learner, run)


def _music_codec(settings: Config) -> Stage:
    config = settings.music.codec
    learner = CodecLearner(MusicCodec(config, {"rate": config.preset.rate}), config)

    def run(rows: int) -> object:  # with its losses, whose spectra take more than the network
        stems = torch.empty(rows, 4, round(RATE * config.seconds), dtype=torch.int16)
        return learner({"stems": stems}, Draw(0, 0, 0, rows, rows, stems.device))

    return Stage(learner, run)


def _shapes(settings: Config) -> dict[str, Any]:
    tokens = frame_tokens(settings)
    return {
        "video": tokens["video"],
        "grid": True,
        "audio": tokens.get("audio", 0),
        "channels": settings.tokenizers.video.channels,
        "action": recorded(settings.data).action,
        "pixels": settings.tokenizers.video.pixels,
        "body": settings.dreamed_body,
        "flag": settings.drawn_onsets,
    }


def _dynamics(settings: Config) -> Stage:
    config = settings.dynamics
    with META:
        tokenizer = VideoTokenizer(settings.tokenizers.video, {"size": settings.data.size})
        learner = DynamicsLearner(Dynamics(config, _shapes(settings)), config, tokenizer)
    action = recorded(settings.data).action

    def run(rows: int) -> object:
        return clips(learner.dynamics, rows, config.long_frames, action)

    return Stage(learner, run, (run, config.bootstrap + config.dreamed))


def clips(dynamics: Dynamics, rows: int, frames: int, action: dict[str, Any] | None) -> object:
    """Read all frames of some long clips but the last, and denoise all but the first, each after its own context."""
    frame = dynamics.tokens, dynamics.channels
    context, denoised = (empty(rows, frames - 1, *frame) for _ in range(2))
    scene = dynamics.encode_scene(empty(rows, *frame))
    moves = _actions(rows, frames - 1, action)
    given = Conditioning(empty(rows, frames - 1), torch.full((rows, frames - 1), FINEST), moves)
    given = Conditioning(given.tau, given.step_size, moves, None, scene)
    return dynamics.denoise(denoised, given, dynamics.read(context, given))


def _clone(settings: Config) -> Stage:
    config, action = settings.dynamics, recorded(settings.data).action
    agent = _agent_of(settings)
    with META:
        tokenizer = VideoTokenizer(settings.tokenizers.video, {"size": settings.data.size})
    learner = CloningLearner(agent, settings.agent.cloning, config, tokenizer)

    def watched(rows: int) -> object:
        frames, dynamics = config.long_frames, agent.dynamics
        scene = dynamics.encode_scene(empty(rows, dynamics.tokens, dynamics.channels))
        given = Conditioning(
            empty(rows, frames),
            torch.full((rows, frames), FINEST),
            _actions(rows, frames, action),
            None,
            scene,
        )
        states = agent(empty(rows, frames, dynamics.tokens, dynamics.channels), given)
        heads = [head for head in (agent.policy, agent.reward, agent.continuation) if head is not None]
        return [head(states, n) for n in range(settings.agent.cloning.distances) for head in heads]

    def run(rows: int) -> object:
        return clips(agent.dynamics, rows, config.long_frames, action), watched(rows)

    return Stage(
        learner,
        run,
        (lambda rows: clips(agent.dynamics, rows, config.long_frames, action), config.bootstrap + config.dreamed),
    )


def _agent_of(settings: Config) -> Agent:
    before = {"config": settings.dynamics.model_dump(mode="json"), "shapes": _shapes(settings)}
    with META:
        return Agent(settings.agent.cloning, {"dynamics": before, "continues": settings.data.has_ends()})


def _agent(settings: Config) -> Stage:
    config, dim = settings.agent.imagination, settings.dynamics.dim
    agent, action = _agent_of(settings), recorded(settings.data).action
    shapes = {"dim": dim, "distances": settings.agent.cloning.distances, "action": action}
    with META:
        actor = Actor(config, shapes)
    learner = ImaginationLearner(actor, agent, config)

    def run(rows: int) -> object:
        states = empty(rows, config.horizon + 1, dim)
        return actor.policy(states), actor.value(states)

    def dreamed(rows: int) -> object:  # every frame, once a denoising step; the past is in the ring
        return clips(agent.dynamics, rows, 2, action)

    return Stage(learner, run, (dreamed, config.horizon * (config.denoising_steps + 1) / 2), (agent,))
