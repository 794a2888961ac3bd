"""What validation accepts can be built: the models on the meta device, and the windows and recordings of evaluations.

The settings are those of the presets, and random ones of the schema. Random values are drawn where a key allows
them; settings that validation refuses need not be buildable.
"""

from __future__ import annotations

from collections.abc import Callable
from contextlib import nullcontext
from pathlib import Path
from typing import Any, Literal, get_args, get_origin

import pytest
import torch
import yaml
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st
from plans import Stand, check_plans
from pydantic.fields import FieldInfo

from sensorium.agent.agent import Actor, Agent
from sensorium.config import ConfigurationError, Section
from sensorium.config.section import LARGEST, LARGEST_FLOAT, LARGEST_SEED
from sensorium.config_export import walk
from sensorium.forecasting.state_dynamics import StateDynamics
from sensorium.generation.audio_tokenizer import AudioTokenizer
from sensorium.generation.conditioning import Conditioning
from sensorium.generation.dynamics import Dynamics
from sensorium.generation.tokenizers import VideoTokenizer
from sensorium.models import spectrogram
from sensorium.music.cascade import Cascade
from sensorium.music.codec import MusicCodec
from sensorium.music.config import RATE
from sensorium.music.mask_network import MaskNetwork
from sensorium.music.sizes import LATENTS
from sensorium.music.spectrum import BINS
from sensorium.perception.contrastive_learner import AudioContrast, VisionContrast
from sensorium.perception.fusion_learner import FusionLearner
from sensorium.perception.joint import Joint
from sensorium.puzzle import spectrogram as puzzle_spectrogram
from sensorium.puzzle.sight_map import SightMap
from sensorium.puzzle.sizes import picture_size
from sensorium.puzzle.sound_list import SoundList
from sensorium.puzzle.sound_map import SoundMap
from sensorium.puzzle.spectrogram import BANDS, COLUMNS
from sensorium.settings import Config, validate
from sensorium.training.optimiser import for_muon

ROOT = Path(__file__).parents[3]
PRESETS = sorted(path.stem for path in (ROOT / "config").glob("*.yaml"))
ACTIONS = {"playroom": {"kind": "continuous", "size": 2}, "atari": {"kind": "discrete", "size": 18}, "folder": None}
ACTIONS["video"] = {"kind": "continuous", "size": 3}  # of the keys of config/replay.yaml
ACTIONS["gymnasium"] = {"kind": "discrete", "size": 7}  # of MiniGrid
BODY = {"playroom": 12, "atari": 0, "folder": 0, "video": 0}
ROWS = 2
EXAMPLES = 100


@pytest.fixture(autouse=True, scope="module")
def on_meta() -> Any:
    """Let the meta device pass where torch asks for values, or for a device that computes."""
    banks = spectrogram.melscale_fbanks

    def on_cpu(*args: Any) -> torch.Tensor:
        with torch.device("cpu"):
            return banks(*args)

    with pytest.MonkeyPatch.context() as patch:
        for module in (spectrogram, puzzle_spectrogram):
            patch.setattr(module, "melscale_fbanks", on_cpu)
        patch.setattr(torch, "autocast", lambda *_, **__: nullcontext())
        yield


def overlay(base: dict[str, Any], other: dict[str, Any]) -> dict[str, Any]:
    """Lay one configuration over another as Snakemake does."""
    nested = {key: overlay(base.get(key) or {}, value) for key, value in other.items() if isinstance(value, dict)}
    return {**base, **other, **nested}


def preset(name: str) -> dict[str, Any]:
    """The values of a preset laid over the default ones."""
    default, own = (yaml.safe_load((ROOT / f"config/{each}.yaml").read_text()) for each in ("config", name))
    return overlay(default, own)


# Models --------------------------------------------------------------------------------------------------------------


def muon_fits(model: torch.nn.Module, muon: float) -> None:
    """Muon trains matrices and kernels of blocks."""
    trained = {name: values for name, values in model.named_parameters() if values.requires_grad}
    assert not muon or any(for_muon(name, values) for name, values in trained.items())


def build_perception(config: Config, sound: dict[str, int]) -> None:
    """Encoders, fusion, the joint model and the state dynamics; one pass of each."""
    size, frames = {"size": config.data.size}, config.fusion.frames
    vision, audio = VisionContrast(config.encoders.vision, size), AudioContrast(config.encoders.audio, sound)
    shapes = {"vision": vision.encoder.head.in_features, "audio": config.encoders.audio.dim}
    shapes["body"] = BODY[config.data.source]
    fusion = FusionLearner(config.fusion, shapes).fusion
    muon_fits(fusion, config.fusion.training.muon)
    sections = {
        "vision": (config.encoders.vision, size),
        "audio": (config.encoders.audio, sound),
        "fusion": (config.fusion, shapes),
    }
    joint = Joint(
        config.finetune,
        {name: {"config": part.model_dump(mode="json"), "shapes": own} for name, (part, own) in sections.items()},
    )
    for part in config.finetune.frozen:
        getattr(joint, part).requires_grad_(False)
    muon_fits(joint, config.finetune.training.muon)
    video = torch.empty(ROWS, frames, 3, config.data.size, config.data.size)
    body = torch.empty(ROWS, frames, shapes["body"]) if shapes["body"] else None
    states = joint(video, torch.empty(ROWS, frames * sound["samples_per_frame"]), body)
    assert states.shape == (ROWS, frames, config.fusion.dim)
    assert vision.encode(video[:, 0]).shape == (ROWS, config.encoders.vision.dim)
    heard = torch.empty(ROWS, config.encoders.audio.frames * sound["samples_per_frame"])
    assert audio.encode(heard).shape == (ROWS, config.encoders.audio.dim)
    if config.forecasts():
        action = ACTIONS[config.data.source]
        StateDynamics(config.state_dynamics, {"state": config.fusion.dim, "action": action})


def build_generation(config: Config, sound: dict[str, int]) -> None:
    """Tokenizers, dynamics and the agent; one pass of each."""
    video = config.tokenizers.video
    tokenizer, tokens = VideoTokenizer(video, {"size": config.data.size}), 0
    muon_fits(tokenizer, video.training.muon)
    frames = torch.empty(ROWS, tokenizer.frames, 3, config.data.size, config.data.size)
    assert tokenizer(frames)[0].shape == frames.shape
    if "audio" in config.streams():
        hearing = AudioTokenizer(config.tokenizers.audio, sound)
        sounds, tokens = torch.empty(ROWS, 2 * hearing.samples_per_frame), hearing.tokens
        assert hearing(sounds)[0].shape == sounds.shape
        assert hearing.channels == tokenizer.channels
    action = ACTIONS[config.data.source]
    shapes = {"video": tokenizer.tokens, "grid": True, "audio": tokens, "channels": video.channels, "action": action}
    shapes |= {"pixels": video.pixels, "body": config.dreamed_body}
    dynamics = Dynamics(config.dynamics, shapes)
    muon_fits(dynamics, config.dynamics.training.muon)
    length = config.dynamics.frames
    clip = torch.empty(ROWS, length, sum(dynamics.streams.values()), video.channels)
    level = torch.empty(ROWS, length)
    assert dynamics.denoise(clip, Conditioning(level, level)).tokens.shape == clip.shape
    if config.lines.agent:
        section = config.dynamics.model_dump(mode="json")
        start = {"config": section, "shapes": shapes}
        muon_fits(Agent(config.agent.cloning, {"dynamics": start, "continues": config.data.has_ends()}), 0.0)
        distances = config.agent.cloning.distances
        Actor(config.agent.imagination, {"dim": config.dynamics.dim, "distances": distances, "action": action})


def build_puzzle(config: Config, sound: dict[str, int]) -> None:
    """Maps of sound and of pictures; one pass of each."""
    size = picture_size(config)
    images = torch.empty(ROWS, 3, size, size)
    assert SightMap(config.puzzle.sight, {"size": size})(images)[0].shape == images.shape
    if "sound" in config.puzzle_senses():
        seen = torch.empty(ROWS, BANDS, COLUMNS)
        assert SoundMap(config.puzzle.sound, {})(seen)[0].shape == seen.shape
        assert SoundList(config.puzzle.sound_list, {}).corrected(seen, torch.ones(ROWS)).shape == seen.shape


def build_music(config: Config, sound: dict[str, int]) -> None:
    """The mask of drums and the cascade; one pass of each."""
    spectra = torch.empty(ROWS, BINS, 3, dtype=torch.complex64)
    assert MaskNetwork(config.music.mask, {"rate": RATE})(spectra).shape == spectra.shape
    songs = torch.empty(ROWS, 2, LATENTS, 5)
    assert Cascade(config.music.cascade, {"scale": [1.0] * LATENTS})(songs)[-1].latents.shape == songs[:, 0].shape
    if config.lines.codec:
        codec = MusicCodec(config.music.codec, {"rate": config.music.codec.preset.rate})
        sounds = torch.empty(ROWS, 3 * codec.hop + 1)
        assert codec(sounds)[0].shape == sounds.shape


# What builds the models of a line -> the sections that they are made of.
BUILDERS: dict[Callable[[Config, dict[str, int]], None], tuple[str, ...]] = {
    build_perception: ("data", "lines", "encoders", "fusion", "finetune", "state_dynamics"),
    build_generation: ("data", "lines", "tokenizers", "dynamics", "agent"),
    build_puzzle: ("data", "lines", "puzzle"),
    build_music: ("lines", "music"),
}
BUILT: set[tuple[str, ...]] = set()


def build(builder: Callable[[Config, dict[str, int]], None], config: Config) -> None:
    """Build the models of a line, unless they were built of the same sections before.

    The builder sees default values in place of all other sections.
    """
    sections = {name: getattr(config, name) for name in BUILDERS[builder]}
    key = (builder.__name__, *(section.model_dump_json() for section in sections.values()))
    if key in BUILT:
        return
    sound = {"sample_rate": config.data.sample_rate, "samples_per_frame": config.data.samples_per_frame}
    with torch.device("meta"), torch.no_grad():
        builder(Config().model_copy(update=sections), sound)
    BUILT.add(key)


def check(config: Config) -> None:
    """Build every model that the lines train, and plan every evaluation that runs."""
    if config.lines.representation:
        build(build_perception, config)
    if config.lines.generative:
        build(build_generation, config)
    if config.lines.puzzle:
        build(build_puzzle, config)
    if config.lines.music:
        build(build_music, config)
    check_plans(config, Stand(config.data))


@pytest.mark.parametrize("name", PRESETS)
def test_presets(name: str) -> None:
    check(validate(preset(name)))


# Random settings -----------------------------------------------------------------------------------------------------

FILMS = {"source": "folder", "path": "films", "recordings": 40}
FILM_WORLD = {"data": {**FILMS, "streams": ["video"]}, "lines": {"representation": False}}
BASES = (
    {},
    preset("tiny"),
    preset("agent"),
    preset("atari"),
    preset("minigrid"),
    {"data": FILMS},
    FILM_WORLD,
    preset("convolutional"),
    {"tokenizers": {"video": {"kind": "transformer"}}, "dynamics": {"path": "filtered"}},
    {"data": {"frames": 34, "size": 16, "recordings": 190}, "lines": {"finetune": False}},
)
NARROW = {  # where all that is allowed would take too long here
    "data.recordings": st.integers(8, 400),
    "data.frames": st.integers(16, 96),
    "data.size": st.sampled_from(range(16, 136, 8)),
    "layers": st.integers(1, 9),
    "distances": st.integers(1, 40),
    "frames": st.integers(1, 70),
    "horizon": st.integers(1, 70),
    "long_frames": st.sampled_from((2, 4, 6, 8, 16, 24, 40, 64)),
    "tempi": st.lists(st.sampled_from((30, 60, 90, 120, 150, 250)), max_size=4),
    "fusion.offsets": st.lists(st.integers(-20, 40), min_size=1, max_size=4),
}
FIXED = (
    "source",
    "path",
    "games",
    "environment",
    "arguments",
    "picture",
    "leave_out",
    "policy",
    "lpips",
    "data.streams",
    "encoders.vision.data",
    "encoders.audio.data",
)
FIXED += ("puzzle.sound.data", "puzzle.sight.data", "soundfont", "soundfonts", "midi")


def bounds(field: FieldInfo, largest: float) -> tuple[float, float]:
    """The smallest and the largest value of a number, whether they are allowed or not."""
    rules = {
        name: getattr(rule, name) for rule in field.metadata for name in ("ge", "gt", "le", "lt") if hasattr(rule, name)
    }
    low, high = rules.get("ge", rules.get("gt", 0)), rules.get("le", rules.get("lt", largest))
    return low, high


def values_of(key: str, field: FieldInfo) -> st.SearchStrategy[Any]:
    """Values of a key, most of them allowed."""
    name = key.rpartition(".")[2]
    if key in NARROW or name in NARROW:
        return NARROW.get(key, NARROW.get(name, st.nothing()))
    if field.annotation is bool:
        return st.booleans()
    if get_origin(field.annotation) is Literal:
        return st.sampled_from(get_args(field.annotation))
    if get_origin(field.annotation) is tuple:
        return st.lists(st.sampled_from(get_args(get_args(field.annotation)[0])), max_size=3)
    if field.annotation is int:
        low, high = (int(bound) for bound in bounds(field, LARGEST_SEED if name == "seed" else LARGEST))
        return st.integers(low, min(high, low + 70)) | st.integers(low, high) | st.sampled_from((low, high))
    low, high = bounds(field, LARGEST_FLOAT)
    return st.floats(low, min(high, 10.0)) | st.floats(low, high)


def leaves(config: Config) -> dict[str, FieldInfo]:
    """The keys that are varied."""
    keys = {key: field for key, field, value in walk(config) if not isinstance(value, Section)}
    return {
        key: field
        for key, field in keys.items()
        if not key.startswith(("studies.", "puzzle.text.corpus."))
        and key not in FIXED
        and key.rpartition(".")[2] not in FIXED
    }


def nested(key: str, value: Any) -> dict[str, Any]:
    """A dotted key as dictionaries."""
    for part in reversed(key.split(".")):
        value = {part: value}
    return value


ACCEPTED: list[str] = []


@settings(
    derandomize=True,
    max_examples=EXAMPLES,
    deadline=None,
    phases=[Phase.generate],  # to shrink a failure takes minutes; its message names the drawn values
    suppress_health_check=list(HealthCheck),
)
@given(data=st.data())
def test_random_settings(data: st.DataObject) -> None:
    values: dict[str, Any] = data.draw(st.sampled_from(BASES), label="base")
    keys = leaves(validate(values))
    for key in data.draw(st.lists(st.sampled_from(sorted(keys)), min_size=1, max_size=4, unique=True), label="keys"):
        values = overlay(values, nested(key, data.draw(values_of(key, keys[key]), label=key)))
    try:
        config = validate(values)
    except ConfigurationError:
        return
    ACCEPTED.append("")
    check(config)


def test_most_random_settings_are_accepted() -> None:
    assert len(ACCEPTED) > EXAMPLES // 3
