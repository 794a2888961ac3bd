"""Predictions of a body's next state by explicit geometry, with a learned correction and uncertainty.

Geometry covers inertia, gravity, solidity and support as in physics.py, but also among ledges; contact (the hand pushes
only what it touches); and permanence (a body behind a screen keeps moving and is visible again where it comes out).
Learned are the trust in gravity for each context, the effect of contacts, and the uncertainty of predictions.

Legend: B bodies, T frames, K ledges, C contexts. A state [B, 4] is place and velocity, the latter in units a frame.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, fields, replace
from typing import Any

import torch
from torch import Tensor, nn

from sensorium.cognition.physics import Correction, Room, Trust

STEPS = 8  # Euler steps a frame
FAR = -1e4  # coordinate of absent things
CERTAIN = 1e-4  # smallest probability of being visible, or of being hidden
SPREAD = 2.0  # log std of a prediction lies in [-SPREAD, SPREAD]
NUMBERS = 4  # numbers of a state
SEEN = 3 * NUMBERS  # inputs of the learned parts: effects of contacts and of near contacts; velocity, size, a one
NEARLY = 0.6  # room units added to a radius to find near contacts


@dataclass(frozen=True)
class Around:
    """The surroundings of bodies, in the room's units.

    Attributes:
        ledges: [B, K, 4], ends x0, y0, x1, y1; FAR if there is none.
        ledge_radius: half of a ledge's thickness.
        hand: [B, 2], centre; FAR if there is none.
        hand_velocity: [B, 2], units a frame.
        hand_radius: of the hand.
    """

    ledges: Tensor
    ledge_radius: float
    hand: Tensor
    hand_velocity: Tensor
    hand_radius: float


def advance(room: Room, around: Around, state: Tensor, size: Tensor, seconds: float, gravity: float) -> Tensor:
    """The state a frame later, [B, 4]: surfaces stop a body, and the hand pushes it.

    Args:
        room: walls, floor and damping.
        around: ledges and hand.
        state: [B, 4].
        size: [B], radii.
        seconds: of a frame.
        gravity: acceleration downwards, units a second squared.
    """
    place, speed, hand = state[:, :2], state[:, 2:], around.hand
    pull = torch.tensor([0.0, gravity * seconds**2 / STEPS])
    for _ in range(STEPS):
        speed = speed * room.damping ** (seconds / STEPS) + pull
        place, hand = place + speed / STEPS, hand + around.hand_velocity / STEPS
        for number in range(around.ledges.shape[1]):
            ledge = around.ledges[:, number]
            near, still = nearest_point(ledge, place), torch.zeros_like(speed)
            place, speed = _push_out(place, speed, size + around.ledge_radius, near, still)
        place, speed = _push_out(place, speed, size + around.hand_radius, hand, around.hand_velocity)
        inside = torch.minimum(torch.maximum(place, room.low + size[:, None]), room.high - size[:, None])
        speed = torch.where(inside == place, speed, 0.0)
        place = inside
    return torch.cat([place, speed], dim=1)


def nearest_point(ledge: Tensor, place: Tensor) -> Tensor:
    """The point [B, 2] on a line from x0, y0 to x1, y1, [B, 4], that is nearest to a place [B, 2]."""
    start, along = ledge[:, :2], ledge[:, 2:] - ledge[:, :2]
    share = ((place - start) * along).sum(1) / along.square().sum(1).clamp_min(1e-6)
    return start + share.clamp(0, 1)[:, None] * along


def _push_out(place: Tensor, speed: Tensor, reach: Tensor, surface: Tensor, moving: Tensor) -> tuple[Tensor, Tensor]:
    """Move bodies out to the distance `reach` [B] from a surface point [B, 2], and stop their motion towards it."""
    gap = place - surface
    distance = gap.norm(dim=1, keepdim=True)
    normal = gap / distance.clamp_min(1e-6)
    depth = (reach[:, None] - distance).clamp_min(0)
    towards = ((speed - moving) * normal).sum(1, keepdim=True).clamp_max(0)
    return place + depth * normal, speed - torch.where(depth > 0, towards, 0.0) * normal


def hidden_depth(screen: Tensor, place: Tensor, size: Tensor) -> Tensor:
    """How deep a body is hidden, [B]: positive where a screen [B, 2], from x to x, covers all of it."""
    return torch.minimum(place[:, 0] - screen[:, 0], screen[:, 1] - place[:, 0]) - size


@dataclass(frozen=True)
class Laws:
    """Geometric predictions of the next state: without gravity, and what gravity adds; both [B, 4].

    `seen` [B, SEEN] holds the inputs of the learned parts.
    """

    free: Tensor
    law: Tensor
    seen: Tensor


class Expectation(nn.Module):
    """free + trust(context) law + shared(seen) + (1 - trust(context)) own(context, seen), and a spread.

    `shared` corrects contacts in the same way for every context; `own`, which is linear, is the exception of each
    context. Before training the prediction is geometry alone, with a trust of 0.9 and an std of one unit.
    """

    def __init__(self, room: Room, seconds: float, contexts: int, width: int, seed: int) -> None:
        super().__init__()
        self.room, self.seconds, self.trust = room, seconds, Trust(contexts)
        self.shared = Correction(SEEN, width, seed, NUMBERS)
        self.spread = Correction(SEEN, width, seed + 1, 2)
        self.own = nn.Parameter(torch.zeros(contexts, SEEN, NUMBERS))

    def laws(self, around: Around, state: Tensor, size: Tensor) -> Laws:
        """Geometry alone, for states [B, 4] and radii [B]."""
        free = advance(self.room, around, state, size, self.seconds, 0.0)
        bound = advance(self.room, around, state, size, self.seconds, self.room.gravity)
        nothing = replace(around, ledges=around.ledges[:, :0], hand=torch.full_like(around.hand, FAR))
        endless = replace(self.room, low=-torch.inf, high=torch.inf)
        loose = advance(endless, nothing, state, size, self.seconds, self.room.gravity)
        near = advance(self.room, around, state, size + NEARLY, self.seconds, self.room.gravity)
        rest = torch.cat([state[:, 2:], size[:, None] / 10 - 1, torch.ones_like(size)[:, None]], dim=1)
        return Laws(free, bound - free, torch.cat([bound - loose, near - bound, rest], dim=1))

    def forward(self, laws: Laws, context: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        """The next state [B, 4], the logarithm of the standard deviation of its place and its velocity [B, 2], and the
        share of the exception [B, 4]; context is one-hot [B, C]."""
        trust = self.trust(context)
        own = torch.einsum("bc,bco->bo", context, torch.einsum("bf,cfo->bco", laws.seen, self.own))
        share = (1 - trust) * own
        spread = SPREAD * torch.tanh(self.spread(laws.seen) / SPREAD)
        return laws.free + trust * laws.law + self.shared(laws.seen) + share, spread, share


@dataclass(frozen=True)
class Watched:
    """Observed scenes: the motion of a body and its surroundings."""

    state: Tensor  # [B, T, 4]
    seen: Tensor  # whether it is visible, bool [B, T], true in the first frame; states elsewhere are not used
    size: Tensor  # [B]
    hand: Tensor  # [B, T, 2]
    ledges: Tensor  # [B, K, 4]
    screen: Tensor  # [B, 2], from x to x
    context: Tensor  # [B, C]
    ledge_radius: float
    hand_radius: float

    def around(self, frame: int) -> Around:
        """Surroundings between a frame and the next; the hand moves as observed."""
        hand = self.hand[:, frame]
        return Around(self.ledges, self.ledge_radius, hand, self.hand[:, frame + 1] - hand, self.hand_radius)

    def among(self, other: Watched) -> Watched:
        """The motions of these scenes in the surroundings of the others."""
        return replace(other, state=self.state, seen=self.seen, size=self.size)

    @classmethod
    def join(cls, parts: Sequence[Watched]) -> Watched:
        """Concatenate scenes along B."""
        values = {field.name: [getattr(part, field.name) for part in parts] for field in fields(cls)}
        joined: dict[str, Any] = {
            name: torch.cat(each) if torch.is_tensor(each[0]) else each[0] for name, each in values.items()
        }
        return cls(**joined)


@torch.no_grad()
def surprise(expectation: Expectation, watched: Watched) -> Tensor:
    """Surprise of an observation, [B], in nats: 0 on average if predictions are calibrated.

    A visible body contributes half its squared distance from the expectation in units of the standard deviation; being
    visible, or not, contributes minus the logarithm of its probability. A hidden body is predicted from
    its last prediction, and the variance of its place grows with every frame.
    """
    believed, variance = watched.state[:, 0], torch.zeros(len(watched.size), 2)
    total = torch.zeros(len(watched.size))
    for frame in range(watched.state.shape[1] - 1):
        laws = expectation.laws(watched.around(frame), believed, watched.size)
        mean, spread, _ = expectation(laws, watched.context)
        variance = variance + (2 * spread).exp()
        seen, state = watched.seen[:, frame + 1], watched.state[:, frame + 1]
        chance = torch.sigmoid(hidden_depth(watched.screen, mean[:, :2], watched.size) / variance[:, 0].sqrt())
        total += -torch.where(seen, 1 - chance, chance).clamp_min(CERTAIN).log()
        error = (state - mean).square().unflatten(1, (2, 2)).sum(2) / variance
        total += torch.where(seen, error.sum(1) / 2 - NUMBERS / 2, 0.0)
        believed = torch.where(seen[:, None], state, mean)
        variance = torch.where(seen[:, None], 0.0, torch.stack([variance.sum(1), variance[:, 1]], dim=1))
    return total
