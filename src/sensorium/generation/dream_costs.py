"""Memory on the device and operations of the evaluations that dream, by arithmetic. Never imports torch.

S tokens of the transformer a frame, D width. Tests compare the numbers with dreams themselves
(tests/unit/faces/test_dream_costs.py).
"""

from __future__ import annotations

from dataclasses import dataclass

from sensorium.config.counts import FLOAT, blocks
from sensorium.generation.config import GenerationSettings
from sensorium.generation.dream_config import DreamConfig
from sensorium.generation.sizes import drawn_head, dynamics, frame_tokens, models

AHEAD = 2  # positions of a ring beside its window (`models.cache`)
FINE, NEAR, FINE_DREAMS = 64, 3, 4  # of `uncertainty` (`evaluation/sampling.py`)
ARMS = 3  # choices of actions of `counterfactual`
KEYS = 2  # of `control`: recorded actions, keys that are held


@dataclass(frozen=True)
class Dreams:
    """Dreams of one length.

    Attributes:
        rows: dreams, of all passes together.
        context: true frames that each begins with.
        horizon: frames that are dreamed.
        steps: denoising steps a frame.
    """

    rows: int
    context: int
    horizon: int
    steps: int

    @property
    def frames(self) -> int:
        """Frames in all passes: the context once, then each frame once a step and once where it is kept."""
        return self.rows * (self.context - 1 + self.horizon * (self.steps + 1))


def dreams(settings: GenerationSettings) -> dict[str, tuple[Dreams, ...]]:
    """Evaluation -> what it dreams by the trained network; untrained ones are dreamed without their blocks."""
    judged = settings.evaluations
    uncertain, changed, sound = judged.uncertainty, judged.counterfactual, judged.dreamed_sound

    def of(config: DreamConfig, times: int, horizon: int) -> Dreams:
        return Dreams(times * config.windows, config.context, horizon, config.denoising_steps)

    return {
        "rollout": (of(judged.rollout, 2, judged.rollout.horizon),),  # under its own actions and under others
        "uncertainty": (
            of(uncertain, uncertain.dreams, uncertain.horizon),
            Dreams(FINE_DREAMS * uncertain.fine_windows, uncertain.context, NEAR, FINE),
        ),
        "counterfactual": (of(changed, ARMS * changed.dreams, changed.horizon),),
        "control": (of(judged.control, KEYS, judged.control.frames),),
        "dreamed_sound": (of(sound, sound.dreams, sound.horizon),),
        "drift": (of(judged.drift, 1, judged.drift.frames),),
    }


def transformer_tokens(settings: GenerationSettings) -> int:
    """S."""
    config, tokens = settings.dynamics, frame_tokens(settings)
    inner = sum(tokens.values())
    if config.fine_path is not None:
        inner += tokens["video"] // config.fine.pool**2 - tokens["video"] - tokens.get("body", 0)
    return inner + config.registers + 2


def ring_bytes(settings: GenerationSettings) -> int:
    """Keys and values of one dream in float32: those of all layers over time, as long as the window."""
    config = settings.dynamics
    numbers = 2 * (config.key_heads or config.heads) * (config.dim // config.heads)
    layers = config.layers // config.time_every
    return FLOAT * layers * numbers * (config.window + AHEAD) * transformer_tokens(settings)


def pass_bytes(settings: GenerationSettings, frames: int) -> int:
    """Activations of a pass over frames of one dream: those of one feed-forward layer, 8/3 D wide, are the most."""
    dim = settings.dynamics.dim
    return FLOAT * frames * transformer_tokens(settings) * (4 * dim * 8 // 3 + 4 * dim)


def memory(settings: GenerationSettings, given: Dreams, rows: int) -> int:
    """Bytes on the device of dreams side by side, whose contexts are read one after the other where it must be so."""
    weights = sum(own.model() for own in models(settings).values())
    return weights + rows * (ring_bytes(settings) + pass_bytes(settings, AHEAD)) + pass_bytes(settings, given.context)


def frame_operations(settings: GenerationSettings) -> int:
    """Floating-point operations of a pass over one frame: products of all tokens with all weights, and attention."""
    config, tokens = settings.dynamics, transformer_tokens(settings)
    layers = config.layers // config.time_every
    within = blocks(config, config.layers, config.key_heads).matrices
    once = drawn_head(settings).parameters
    outside = dynamics(settings).parameters - within - once
    attention = 4 * config.dim * tokens * ((config.layers - layers) * tokens + layers * (config.window + AHEAD))
    return 2 * (within * tokens + outside * (tokens - config.registers - 2) + once) + attention


def operations(settings: GenerationSettings) -> dict[str, int]:
    """Evaluation -> floating-point operations of its dreams."""
    each = frame_operations(settings)
    return {name: each * sum(part.frames for part in parts) for name, parts in dreams(settings).items()}
