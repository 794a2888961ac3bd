"""Sizes of forecasting by arithmetic: numbers of its network, and bytes that its programs hold. Never imports torch."""

from __future__ import annotations

from sensorium.config.counts import FLOAT, Counts, frame_bytes, linear, recorded, split_frames, vectors
from sensorium.forecasting.config import ForecastingSettings

_VARIABLES = 13  # of the playroom's truth, twice: as they are and in float64


def state_dynamics(settings: ForecastingSettings, state: int) -> Counts:
    """`StateDynamics` of world states of `state` numbers."""
    width, action = settings.state_dynamics.width, recorded(settings.data).action
    moves = Counts() if action is None else linear(action["size"], width, bias=action["kind"] == "continuous")
    recurrent = vectors(width * width, 6) + vectors(width, 6)
    total = linear(state, width) + moves + recurrent + vectors(width) + linear(width, width) + linear(width, 2 * state)
    return total + Counts(buffers=state + state * state + 2)


def held(settings: ForecastingSettings, state: int, senses: int, fused: int) -> dict[str, int]:
    """Rule -> bytes of the arrays that it holds on the host: world states, all windows of a split, simulated rooms.

    Args:
        settings: of the line.
        state: numbers of a world state.
        senses: of the embedded senses of a frame.
        fused: frames of a window of fusion.
    """
    data, config, judged = settings.data, settings.state_dynamics, settings.evaluations
    frames = {split: split_frames(data, split) for split in ("training", "validation", "test")}
    window = (config.context + config.horizon) * (FLOAT * state + _VARIABLES * 3 * FLOAT)
    read = judged.motion.recordings * data.frames * state * 3 * 2 * FLOAT  # states, projected, in float64
    fields = judged.fields
    seen = fused * FLOAT * (senses + state) + (config.horizon + 2) * 3 * fields.cells**2 * 2 * FLOAT * 2
    rooms = (2 * judged.causal.learned_from + judged.causal.rooms) * data.frames
    return {
        "train_state_dynamics": (frames["training"] + frames["validation"]) * FLOAT * state * 3,
        "motion": read + max(frames["test"], frames["validation"]) * window,
        "fields": 2 * fields.recordings * data.frames * FLOAT * senses + 2 * fields.windows * seen,
        "causal": rooms * (frame_bytes(data) + 4 * FLOAT * state) + judged.causal.windows * window,
    }
