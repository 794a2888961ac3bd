"""The tasks of the playroom: their rewards, and a scripted player that sees the truth."""

from __future__ import annotations

import numpy as np

from sensorium.data.sources.playroom.physics import Motion, RoomSimulation
from sensorium.data.sources.playroom.scene import HAND_RADIUS, ROOM

_LEFT = 0.25  # of the room's width; nearer to the left wall the hand is rewarded
_BLOW = 6, 4  # frames of a blow, and how many of them move towards the body


def rewards(task: str, motion: Motion, loud: np.ndarray) -> np.ndarray:
    """Reward of each frame, float32 [T].

    left: 1 while the hand is in the left quarter of the room. lift: mean height of the bodies' centres, 0 at the floor,
    1 at the ceiling. touch: 1 in frames in which the hand feels a body. loud: summed amplitude of the frame's impacts.

    Args:
        task: one of the names above.
        motion: T frames.
        loud: float64 [T], summed amplitudes of the impacts of each frame.
    """
    if task == "left":
        earned = motion.hand_position[:, 0] < _LEFT * ROOM
    elif task == "lift":
        earned = 1 - np.nanmean(motion.position[:, :, 1], axis=1) / ROOM
    elif task == "touch":
        earned = np.any(motion.push != 0, axis=1)
    elif task == "loud":
        earned = loud
    else:
        raise ValueError(f"task is {task!r}: it must be left, lift, touch or loud")
    return earned.astype(np.float32)


def expert(task: str, room: RoomSimulation, frame: int) -> np.ndarray:
    """A good action, float32 [2], by simple rules from the true positions; not an optimal one."""
    hand = np.array(room.hand.position)
    bodies = np.array([body.position for body in room.bodies if body is not None])
    if task == "left" or not len(bodies):
        return np.array([-1, 0], np.float32)
    gap = min(bodies - hand, key=np.linalg.norm)
    if task == "touch":
        wanted = gap / 5
    elif task == "loud":  # hit the body and draw back for the next blow
        period, towards = _BLOW
        wanted = gap / 2 if frame % period < towards else -gap / 2
    elif abs(gap[0]) < 0.8 * HAND_RADIUS and gap[1] < 0:  # lift: the hand is below the body, so move straight up
        wanted = np.array([gap[0] / 10, -1])
    else:
        wanted = (gap + np.array([0, 22])) / 8
    return np.clip(wanted, -1, 1).astype(np.float32)
