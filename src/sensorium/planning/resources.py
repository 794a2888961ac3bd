"""Memory on the host and minutes that programs need, by arithmetic: the rules ask for them. Never imports torch.

A training on a GPU needs little of it, except when it saves: the whole checkpoint is copied from the GPU. An evaluation
holds the windows that it judges, and what is compared with them. A training that is out of time saves and goes on; an
evaluation starts anew, so its minutes must suffice.
"""

from __future__ import annotations

from functools import cache

from sensorium.agent import sizes as agent
from sensorium.config import Training
from sensorium.config.counts import Counts, held_bytes
from sensorium.forecasting import sizes as forecasting
from sensorium.generation import dream_costs
from sensorium.generation import sizes as generation
from sensorium.music import sizes as music
from sensorium.perception import sizes as perception
from sensorium.puzzle import sizes as puzzle
from sensorium.settings import Config

MEGABYTE = 10**6
PROCESS = 3000  # MB of a program with torch, CUDA and its libraries, before it holds anything
LIGHT = 1000  # MB of a program without a network
SPARE = 1.2  # the allocator, temporary arrays
LEAST = 8000  # MB: what rules with networks ask for at least
LEAST_MINUTES = 60  # of a job that evaluates
FLOAT32_SPEED = 10e12  # operations a second; half of an A100's most in float32, in which evaluations compute
# Folder of a trained model, below results/ -> its section; the others are named alike.
_SECTIONS = {"finetuned": "finetune", "clone": "agent.cloning", "agent": "agent.imagination"}
# Rule of the training of each folder.
RULES = {
    "encoders/vision": "train_encoder",
    "encoders/audio": "train_encoder",
    "fusion": "train_fusion",
    "finetuned": "finetune",
    "state_dynamics": "train_state_dynamics",
    "tokenizers/video": "train_tokenizer",
    "tokenizers/audio": "train_tokenizer",
    "dynamics": "train_dynamics",
    "clone": "train_clone",
    "agent": "train_agent",
    "puzzle/sound": "train_puzzle",
    "puzzle/sight": "train_puzzle",
    "puzzle/joint": "train_puzzle_joint",
    "puzzle/next": "train_puzzle_next",
    "music/mask": "train_mask",
    "music/cascade": "train_cascade",
    "music/codec": "train_codec",
    "puzzle/sound_list": "train_puzzle",
    **{f"puzzle/{sense}_legacy": "train_puzzle" for sense in puzzle.LEGACY},
}


def training_of(settings: Config, folder: str) -> Training:
    """The optimisation of the model in a folder below results/."""
    section: object = settings
    for name in _SECTIONS.get(folder, folder.replace("/", ".")).split("."):
        section = getattr(section, name)
    training: Training = section.training  # type: ignore[attr-defined]
    return training


def models(settings: Config) -> dict[str, Counts]:
    """Folder of each model that the workflow trains, in its order -> numbers of the model that is exported.

    A model without an entry in `sizes.py` is left out; its rule then asks for the least.
    """
    state = forecasting.state_dynamics(settings, settings.fusion.dim)
    known = perception.models(settings) | {"state_dynamics": state}
    known |= generation.models(settings) | agent.models(settings) | puzzle.models(settings) | music.models(settings)
    return {folder: known[folder] for folder in settings.trained() if folder in known}


def learners(settings: Config) -> dict[str, Counts]:
    """The same folders -> numbers of the learner, which checkpoints hold."""
    state = forecasting.state_dynamics(settings, settings.fusion.dim)
    known = perception.learners(settings) | {"state_dynamics": state}
    known |= (
        generation.learners(settings) | agent.learners(settings) | puzzle.models(settings) | music.learners(settings)
    )
    return {folder: known[folder] for folder in settings.trained() if folder in known}


def checkpoints(settings: Config) -> dict[str, int]:
    """The same folders -> bytes of a checkpoint, but for its header."""
    return {folder: own.checkpoint(training_of(settings, folder)) for folder, own in learners(settings).items()}


@cache
def memory_mb(settings: Config, rule: str, ranks: int = 1) -> int:
    """Megabytes of host memory that a rule asks for; each further rank of a training has a process with its weights."""
    if rule in ("collect", "index_recordings", "index_latents"):
        largest = max(held_bytes(data) for data in settings.sets().values())
        return max(4000, LIGHT + round(2 * SPARE * largest / MEGABYTE))
    senses = sum(perception.sense_widths(settings).values())
    held = perception.held(settings)
    held |= forecasting.held(settings, settings.fusion.dim, senses, settings.fusion.frames)
    held |= generation.held(settings) | agent.held(settings) | puzzle.held(settings) | music.held(settings)
    saved = max((size for folder, size in checkpoints(settings).items() if RULES[folder] == rule), default=0)
    weights = max((own.model() for folder, own in models(settings).items() if RULES[folder] == rule), default=0)
    further = (ranks - 1) * (PROCESS + round(SPARE * weights / MEGABYTE))
    return max(LEAST, PROCESS + round(SPARE * (saved + held.get(rule, 0)) / MEGABYTE)) + further


@cache
def minutes(settings: Config, rule: str) -> int:
    """Minutes that the job of an evaluation asks for: those of its dreams and half an hour, an hour at least."""
    seconds = dream_costs.operations(settings).get(rule, 0) / FLOAT32_SPEED
    return max(LEAST_MINUTES, LEAST_MINUTES // 2 + round(seconds / 60))
