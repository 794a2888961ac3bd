"""A physics prior and the balloon: what knowing gravity is worth, and whether an exception spoils the rule.

Balls of eight colours in the playroom; those of two colours are balloons and rise. The task: where is the ball three
eighths of a second later? Errors are root mean squares in room units (the room is 100 wide, a ball about 20).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import torch
from sklearn.metrics import roc_auc_score
from torch import Tensor, nn

from sensorium.config import PhysicsPriorConfig, PlayroomConfig
from sensorium.data.sources.playroom.physics import FRAMES_PER_SECOND
from sensorium.data.sources.playroom.physics import run as simulate_motion
from sensorium.data.sources.playroom.scene import GRAVITY, LAYOUTS, ROOM, WALL, draw_scene
from sensorium.models.physics import Correction, Room, TrustedPrior
from sensorium.randomness import stable_seed
from sensorium.studies.findings import Cell, Findings, Table, estimate, over_seeds

REVISION = 1
COLOURS, BALLOONS = 8, 2  # the first two colours are balloons
LIFT = -0.3  # of a balloon, as a factor on gravity: that of the playroom's own
SCALE = 20.0  # room units that count as 1 to the networks
FRAMES, AHEAD, EVERY = 24, 6, 4
SECONDS = AHEAD / FRAMES_PER_SECOND
TRUE_ROOM = Room(low=WALL, high=ROOM - WALL, gravity=GRAVITY, damping=0.75)
WRONG_ROOM = replace(TRUE_ROOM, gravity=-GRAVITY)
TOLERANCE = 1.05  # how much worse than the better of its parts a blend may be


@dataclass(frozen=True)
class Balls:
    """n samples: where balls were and what became of them."""

    position: Tensor  # [n, 2] room units
    velocity: Tensor  # [n, 2] room units a second
    size: Tensor  # [n]
    context: Tensor  # [n, COLOURS], one-hot
    moved: Tensor  # [n, 2] room units, the truth

    def pick(self, rows: np.ndarray) -> Balls:
        """Some of the samples."""
        chosen = torch.from_numpy(np.ascontiguousarray(rows))
        return Balls(*(getattr(self, name)[chosen] for name in self.__dataclass_fields__))

    def of(self, balloons: bool) -> Balls:
        """Only the balloons, or only the stones."""
        return self.pick(np.flatnonzero(self.balloon.numpy() == balloons))

    @property
    def balloon(self) -> Tensor:
        """Which samples are balloons, bool [n]."""
        return self.context[:, :BALLOONS].any(1)

    @property
    def state(self) -> Tensor:
        """What a network sees, [n, 5]."""
        return torch.cat([(self.position - ROOM / 2) / 25, self.velocity / 60, self.size[:, None] / 10 - 1], dim=1)


class Learner:
    """A correction alone, a blend with a prior of right or wrong gravity, or that prior alone (never trained)."""

    def __init__(self, config: PhysicsPriorConfig, seed: int, room: Room | None) -> None:
        self.config, self.room = config, room
        self.network: nn.Module = (
            Correction(5 + COLOURS, config.width, seed)
            if room is None
            else TrustedPrior(5, COLOURS, config.width, seed)
        )

    def predict(self, balls: Balls) -> tuple[Tensor, Tensor]:
        """Displacements and the correction's share of them, both [n, 2], in SCALE."""
        if self.room is None:
            moved = self.network(torch.cat([balls.state, balls.context], dim=1))
            return moved, torch.zeros_like(moved)
        free, law = self.room.laws(balls.position, balls.velocity, balls.size, SECONDS)
        return self.network(free / SCALE, law / SCALE, balls.state, balls.context)

    def train(self, balls: Balls, *, exception: bool = False) -> Learner:
        """Fit to samples; the correction's penalty weighs as much as `config.penalty` samples do.

        Args:
            balls: the samples.
            exception: change only what belongs to single contexts, so that the rule stays.
        """
        chosen = self.network.own if exception and isinstance(self.network, TrustedPrior) else self.network.parameters()
        optimiser = torch.optim.Adam(chosen, lr=self.config.lr)
        free, law = (self.room or TRUE_ROOM).laws(balls.position, balls.velocity, balls.size, SECONDS)
        for _ in range(self.config.steps):
            if self.room is None:
                moved, share = self.predict(balls)
            else:
                moved, share = self.network(free / SCALE, law / SCALE, balls.state, balls.context)
            error = (moved - balls.moved / SCALE).square().mean()
            loss = error + self.config.penalty / len(balls.moved) * share.square().mean()
            optimiser.zero_grad()
            loss.backward()
            optimiser.step()
        return self

    @torch.no_grad()
    def error(self, balls: Balls) -> float:
        """Root mean square distance from the truth, room units."""
        return rms(SCALE * self.predict(balls)[0] - balls.moved)

    @torch.no_grad()
    def falls(self, balls: Balls) -> float:
        """Share of the balls that are pulled down by more than inertia takes them."""
        free, _ = TRUE_ROOM.laws(balls.position, balls.velocity, balls.size, SECONDS)
        return float((SCALE * self.predict(balls)[0] - free)[:, 1].gt(0).float().mean())

    @torch.no_grad()
    def trust_auc(self, balls: Balls) -> float:
        """Chance that a stone's trust exceeds a balloon's."""
        assert isinstance(self.network, TrustedPrior)
        return float(roc_auc_score(~balls.balloon.numpy(), self.network.trust(balls.context)[:, 0].numpy()))


def run(config: PhysicsPriorConfig) -> Findings:
    """Curves over the number of samples, trust in a mixed world, and an exception learned after the rule."""
    curves: dict[str, list[list[float]]] = {name: [] for name in ("prior", "learner", "blend", "wrong", "wrong blend")}
    single: dict[str, list[float]] = {}
    for seed in config.all_seeds():
        world = throw(seed, "training", config.scenes)
        test = throw(seed, "test", config.scenes // 2)
        order = np.random.default_rng(stable_seed("samples", seed)).permutation(len(world.moved))
        curves["prior"].append([alone(TRUE_ROOM, test)] * len(config.samples))
        curves["wrong"].append([alone(WRONG_ROOM, test)] * len(config.samples))
        for name, room in (("learner", None), ("blend", TRUE_ROOM), ("wrong blend", WRONG_ROOM)):
            trained = [Learner(config, seed, room).train(world.pick(order[:count])) for count in config.samples]
            curves[name].append([learner.error(test) for learner in trained])
            if name == "blend":
                single.setdefault("trust_auc", []).append(trained[-1].trust_auc(test))
        for name, value in broken(config, seed, world, test).items():
            single.setdefault(name, []).append(value)
        for name, value in exception(config, seed, world, test).items():
            single.setdefault(name, []).append(value)
    errors = {name: np.array(rows) for name, rows in curves.items()}
    found = {name: np.array(values) for name, values in single.items()}
    return Findings(metrics=_metrics(config, errors, found), controls=_controls(errors, found), tables=[
        Table(
            "Root mean square error of a ball's place 0.375 s ahead, room units (the room is 100 wide)",
            [
                {"samples": count} | {name: estimate(rows[:, column]) for name, rows in errors.items()}
                for column, count in enumerate(config.samples)
            ],
        ),
        _exceptions(found),
    ])  # fmt: skip


def broken(config: PhysicsPriorConfig, seed: int, world: Balls, test: Balls) -> dict[str, float]:
    """The trust's AUC when its mechanism is broken: colours that mean nothing."""
    mixed = np.random.default_rng(stable_seed("colours", seed)).permutation(len(world.moved))
    shuffled = replace(world, context=world.context[torch.from_numpy(mixed)])
    return {"shuffled_auc": Learner(config, seed, TRUE_ROOM).train(shuffled).trust_auc(test)}


def exception(config: PhysicsPriorConfig, seed: int, world: Balls, test: Balls) -> dict[str, float]:
    """First only stones, then only balloons: what is known of each after either, by blend and by learner alone."""
    found = {}
    for name, room in (("blend", TRUE_ROOM), ("blend, all weights", TRUE_ROOM), ("learner", None)):
        learner = Learner(config, seed, room).train(world.of(balloons=False))
        before = learner.error(test.of(balloons=False))
        learner.train(world.of(balloons=True), exception=name == "blend")
        found[f"{name}_before"], found[f"{name}_after"] = before, learner.error(test.of(balloons=False))
        found[f"{name}_balloons"] = learner.error(test.of(balloons=True))
        found[f"{name}_fall"] = learner.falls(free_flight(test.of(balloons=False)))
        found[f"{name}_rise"] = 1 - learner.falls(free_flight(test.of(balloons=True)))
    return found


def free_flight(balls: Balls) -> Balls:
    """Those that meet no surface, whichever way gravity pulls."""
    margin = balls.size[:, None] + 1
    flying = torch.ones(len(balls.size), dtype=torch.bool)
    for gravity in (GRAVITY, LIFT * GRAVITY):
        place = balls.position + TRUE_ROOM.moves(balls.position, balls.velocity, balls.size, SECONDS, gravity)
        flying &= ((place > WALL + margin) & (place < ROOM - WALL - margin)).all(1)
    return balls.pick(np.flatnonzero(flying.numpy()))


def alone(room: Room, balls: Balls) -> float:
    """Error of a prior without any learning, room units."""
    free, law = room.laws(balls.position, balls.velocity, balls.size, SECONDS)
    return rms(free + law - balls.moved)


def rms(difference: Tensor) -> float:
    """Root mean square length of the rows of [n, 2]."""
    return float(difference.square().sum(1).mean().sqrt())


def throw(seed: int, part: str, count: int) -> Balls:
    """Throw `count` balls in an empty room, each seen at a few times; half of them are balloons."""
    rng = np.random.default_rng(stable_seed("balls", seed, part))
    config = PlayroomConfig(min_bodies=1, max_bodies=1, seed=stable_seed("room", seed, part) % 2**31)
    columns: list[list[np.ndarray]] = [[], [], [], [], []]
    times = np.arange(0, FRAMES - AHEAD, EVERY)
    for number in range(count):
        scene = draw_scene(config, number)
        assert scene.bodies[0] is not None
        balloon = bool(rng.random() < 0.5)
        colour = int(rng.integers(BALLOONS) if balloon else rng.integers(BALLOONS, COLOURS))
        place, speed = rng.uniform(0.2 * ROOM, 0.8 * ROOM, 2), rng.uniform(-60, 60, 2)
        body = replace(
            scene.bodies[0], shape="circle", material="metal", colour=colour, lift=LIFT if balloon else 1.0,
            position=(float(place[0]), float(place[1])), velocity=(float(speed[0]), float(speed[1])),
        )  # fmt: skip
        motion = simulate_motion(
            replace(
                scene, bodies=(body, None, None, None), hand=(6.0, 6.0), layout=LAYOUTS.index(()),
                actions=np.zeros((FRAMES, 2), np.float32),
            ),
            FRAMES,
        )  # fmt: skip
        position, velocity = motion.position[:, 0], motion.velocity[:, 0]
        for column, values in zip(
            columns,
            (
                position[times], velocity[times], np.full(len(times), body.size),
                np.tile(np.eye(COLOURS)[colour], (len(times), 1)), position[times + AHEAD] - position[times],
            ),
            strict=True,
        ):  # fmt: skip
            column.append(values)
    return Balls(*(torch.from_numpy(np.concatenate(column).astype(np.float32)) for column in columns))


def regret(errors: dict[str, np.ndarray], name: str, column: int) -> np.ndarray:
    """Error relative to the better of prior alone and learner alone, by seed."""
    return errors[name][:, column] / np.minimum(errors["prior"][:, column], errors["learner"][:, column])


def _metrics(
    config: PhysicsPriorConfig, errors: dict[str, np.ndarray], found: dict[str, np.ndarray]
) -> dict[str, dict[str, Any]]:
    metrics = {
        f"blend_over_better_part_n{count}": over_seeds(
            "regret", regret(errors, "blend", column), TOLERANCE, 0.0, higher_is_better=False
        )
        for column, count in enumerate(config.samples)
    }
    kept = found["blend_after"] / found["blend_before"]
    return metrics | {
        "trust_stone_over_balloon_auc": over_seeds("auc", found["trust_auc"], 0.5, 1.0),
        "balloons_rise_after_exception": over_seeds("rise", found["blend_rise"], 0.5, 1.0),
        "stones_fall_after_exception": over_seeds("fall", found["blend_fall"], 0.5, 1.0),
        "stone_error_after_over_before": over_seeds("kept", kept, 1.2, 1.0, higher_is_better=False),
    }


def _controls(errors: dict[str, np.ndarray], found: dict[str, np.ndarray]) -> dict[str, dict[str, Any]]:
    wrong = errors["wrong blend"][:, 0] / errors["blend"][:, 0]
    controls = {
        "wrong_prior_over_right_one": over_seeds("wrong", wrong, TOLERANCE, 0.0, higher_is_better=False),
        "shuffled_colours_auc": over_seeds("shuffled", found["shuffled_auc"], 0.5, 1.0),
    }
    for name, key in (("learner", "learner"), ("all_weights", "blend, all weights")):
        forgot = found[f"{key}_after"] / found[f"{key}_before"]
        record = over_seeds("forgot", forgot, 1.2, 1.0, higher_is_better=False)
        controls[f"{name}_stone_error_after_over_before"] = record
    return controls


def _exceptions(found: dict[str, np.ndarray]) -> Table:
    rows: Sequence[dict[str, Cell]] = [
        {
            "learned by": name,
            "stones, before balloons": estimate(found[f"{name}_before"]),
            "stones, after": estimate(found[f"{name}_after"]),
            "balloons, after": estimate(found[f"{name}_balloons"]),
            "stones that fall": estimate(found[f"{name}_fall"]),
            "balloons that rise": estimate(found[f"{name}_rise"]),
        }
        for name in ("blend", "blend, all weights", "learner")
    ]
    return Table("Only stones first, then only balloons: errors in room units, and shares", rows)
