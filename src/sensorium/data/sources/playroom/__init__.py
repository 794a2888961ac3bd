"""The playroom: a simulated room with bodies, a hand, the sound of impacts, and the whole truth about them.

Recording `number` is a pure function of (config, number): scene -> motion -> sound and pictures. It has the same bits
whenever it is made on one machine; another processor may round differently.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from sensorium.config import ConfigurationError, PlayroomConfig
from sensorium.data.environment import Observation
from sensorium.data.sources.playroom import render, sound, tasks
from sensorium.data.sources.playroom.materials import MATERIALS, SHAPES
from sensorium.data.sources.playroom.physics import (
    FRAMES_PER_SECOND,
    HAND_SPEED,
    SUBSTEPS,
    Habit,
    Impact,
    Motion,
    RoomSimulation,
    run,
)
from sensorium.data.sources.playroom.scene import ROOM, SLOTS, Intervention, Scene, draw_scene

__all__ = ["BODY_NAMES", "STATE_NAMES", "Intervention", "PlayroomEnvironment", "details", "environment", "simulate"]

BODY_NAMES = (
    *("x", "y", "vx", "vy", "ax", "ay"),
    *("push_x", "push_y", "touching", "struck", "resisted_x", "resisted_y"),
)
STATE_NAMES = (
    *("hand_x", "hand_y", "hand_vx", "hand_vy"),
    *("nearest_x", "nearest_y", "nearest_vx", "nearest_vy"),
    *("largest_x", "largest_y", "largest_vx", "largest_vy"),
    "loudness",
)
_PUSH = 400.0  # the impulse that the body sense reports as 1


def simulate(config: PlayroomConfig, number: int, intervention: Intervention | None = None) -> dict[str, np.ndarray]:
    """One recording, with T = config.frames frames of H = W = config.size pixels.

    Args:
        config: of it, seed, frames, size, min_bodies, max_bodies and task have an influence.
        number: of the recording, from 0.
        intervention: a change to the scene, after all of it was drawn.

    Returns:
        video uint8 [T, H, W, 3]; audio int16 [T * 1000]; action float32 [T, 2], action[t] led to frame t;
        body float32 [T, 12] (BODY_NAMES; positions -1..1, velocities relative to the hand's full speed);
        truth.vision_label int64 [T], bodies in the room less one; truth.audio_label int64 [T], material of the
        dominating impact or -1; truth.state float32 [T, 13] (STATE_NAMES; NaN where no body is);
        truth.material, truth.shape int64 [4] (-1: no body) and truth.size float32 [4] (room widths, NaN: no body);
        truth.position, truth.velocity float32 [T, 4, 2] (room widths, y down, per second) and truth.angle
        float32 [T, 4] (radians), NaN where no body is; truth.impulse float32 [T, 4], impulse of a frame's impacts;
        truth.events float32 [E, 5]: seconds, body, other body (-1 the hand, -2 the room), impulse, amplitude;
        with a task reward float32 [T] (tasks.rewards).

    Raises:
        ValueError: if the intervention names an absent body or an unknown material, or has actions of another shape.
    """
    scene = draw_scene(config, number)
    if intervention is not None:
        scene = intervention.apply(scene)
    motion = run(scene, config.frames)
    amplitudes = sound.Loudness(scene).of(motion.impacts)
    recording = {
        "video": render.draw(scene, motion, config.size),
        "audio": sound.Synthesiser(scene).play(motion.impacts, amplitudes, config.frames),
        "action": motion.action,
        "body": _body_sense(motion),
        **_truth(scene, motion, amplitudes),
    }
    if config.task != "none":
        recording["reward"] = tasks.rewards(config.task, motion, _loudness(motion, amplitudes, config.frames))
    return recording


class PlayroomEnvironment:
    """The playroom as a data.environment.Environment; an episode ends after config.frames frames.

    Raises:
        ConfigurationError: if the playroom has no task.
    """

    def __init__(self, config: PlayroomConfig) -> None:
        if config.task == "none":
            raise ConfigurationError("config: data.task = 'none': without a task there is no reward; choose one")
        self._config = config

    def reset(self, number: int) -> Observation:
        """Draw the scene of recording `number`, before anything moves."""
        self._scene = draw_scene(self._config, number)
        self._room, self._habit = RoomSimulation(self._scene), Habit(self._scene)
        self._loudness, self._synthesiser = sound.Loudness(self._scene), sound.Synthesiser(self._scene)
        self._frame, self._states = 0, [self._room.now(self.rest())]
        return self._observe(np.zeros(sound.SAMPLES_PER_FRAME, np.int16), 0.0)

    def step(self, action: np.ndarray) -> Observation:
        """Simulate one frame with a velocity command, float [2], which is clipped to [-1, 1]."""
        state = self._room.step(np.clip(np.asarray(action, np.float32), -1, 1))
        self._states = [self._states[-1], state] if self._frame else [state]
        self._frame += 1
        amplitudes = self._loudness.of(state.impacts)
        earned = tasks.rewards(self._config.task, Motion.join([state]), np.array([amplitudes.sum()]))
        return self._observe(self._synthesiser.play(state.impacts, amplitudes), float(earned[0]))

    def rest(self) -> np.ndarray:
        """A hand that stays where it is."""
        return np.zeros(2, np.float32)

    def habit(self) -> np.ndarray:
        """The action of the policy that made the recordings; call it once a frame."""
        return self._habit.act(self._room)

    def expert(self) -> np.ndarray:
        """The action of the task's scripted player."""
        return tasks.expert(self._config.task, self._room, self._frame)

    def _observe(self, samples: np.ndarray, reward: float) -> Observation:
        motion, size = Motion.join(self._states), self._config.size
        frame = render.draw(self._scene, Motion.join(self._states[-1:]), size)[0]
        return Observation(frame, samples, _body_sense(motion)[-1], reward, self._frame >= self._config.frames)


def environment(config: PlayroomConfig) -> PlayroomEnvironment:
    """The playroom with its task."""
    return PlayroomEnvironment(config)


def details(config: PlayroomConfig) -> dict[str, Any]:
    """Details of all recordings."""
    return {
        "source": "playroom",
        "licence": "MIT: made by this package's own simulator",
        "frames_per_second": FRAMES_PER_SECOND,
        "sample_rate": sound.SAMPLE_RATE,
        "samples_per_frame": sound.SAMPLES_PER_FRAME,
        "size": config.size,
        "action": {"kind": "continuous", "size": 2},
        "body": len(BODY_NAMES),
        "labels": {
            "vision": {"name": "number of bodies", "classes": [str(count + 1) for count in range(SLOTS)]},
            "audio": {"name": "material struck", "classes": list(MATERIALS)},
        },
        "state_names": list(STATE_NAMES),
    }


def _body_sense(motion: Motion) -> np.ndarray:
    """The body sense of the hand, float32 [T, 12], in the order of BODY_NAMES."""
    place = 2 * motion.hand_position / ROOM - 1
    speed = motion.hand_velocity / HAND_SPEED
    before = np.concatenate([np.zeros((1, 2)), speed[:-1]])
    touching = np.any(motion.push != 0, axis=1)
    push = np.clip(motion.push / _PUSH, -4, 4)
    columns = [place, speed, speed - before, push, touching[:, None], motion.struck[:, None], motion.action - speed]
    return np.concatenate(columns, axis=1).astype(np.float32)


def _truth(scene: Scene, motion: Motion, amplitudes: np.ndarray) -> dict[str, np.ndarray]:
    frames, bodies = len(motion.action), scene.bodies
    count = sum(body is not None for body in bodies)
    impulse, loud = np.zeros((frames, SLOTS)), _loudness(motion, amplitudes, frames)
    events = np.zeros((len(motion.impacts), 5), np.float32)
    for index, impact in enumerate(motion.impacts):
        impulse[impact.step // SUBSTEPS, impact.body] += impact.impulse
        events[index] = _event(impact, amplitudes[index])
    return {
        "truth.vision_label": np.full(frames, count - 1, np.int64),
        "truth.audio_label": sound.labels(scene, motion.impacts, amplitudes, frames),
        "truth.state": _state(scene, motion, loud),
        "truth.material": np.array([MATERIALS.index(body.material) if body else -1 for body in bodies], np.int64),
        "truth.shape": np.array([SHAPES.index(body.shape) if body else -1 for body in bodies], np.int64),
        "truth.size": np.array([body.size / ROOM if body else np.nan for body in bodies], np.float32),
        "truth.position": (motion.position / ROOM).astype(np.float32),
        "truth.velocity": (motion.velocity / ROOM).astype(np.float32),
        "truth.angle": motion.angle.astype(np.float32),
        "truth.impulse": impulse.astype(np.float32),
        "truth.events": events,
    }


def _loudness(motion: Motion, amplitudes: np.ndarray, frames: int) -> np.ndarray:
    """Summed amplitude of the impacts of each frame, float64 [T]."""
    loud = np.zeros(frames)
    for impact, amplitude in zip(motion.impacts, amplitudes, strict=True):
        loud[impact.step // SUBSTEPS] += amplitude
    return loud


def _event(impact: Impact, amplitude: float) -> tuple[float, ...]:
    return impact.step / (SUBSTEPS * FRAMES_PER_SECOND), impact.body, impact.other, impact.impulse, amplitude


def _state(scene: Scene, motion: Motion, loud: np.ndarray) -> np.ndarray:
    """float32 [T, 13] in the order of STATE_NAMES."""
    present = [slot for slot, body in enumerate(scene.bodies) if body is not None]
    frames = np.arange(len(loud))
    if present:
        gap = np.linalg.norm(motion.position[:, present] - motion.hand_position[:, None], axis=2)
        nearest = np.array(present)[gap.argmin(axis=1)]
        largest = np.full(len(loud), max(present, key=lambda slot: scene.bodies[slot].size))  # type: ignore[union-attr]
    else:
        nearest = largest = np.zeros(len(loud), np.int64)  # an empty slot, hence NaN
    parts = [motion.hand_position, motion.hand_velocity]
    for slot in (nearest, largest):
        parts += [motion.position[frames, slot], motion.velocity[frames, slot]]
    return np.concatenate([np.concatenate(parts, axis=1) / ROOM, loud[:, None]], axis=1).astype(np.float32)
