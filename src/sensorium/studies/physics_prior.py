"""A physics prior and its exception: the value of knowing gravity, and whether learning balloons spoils the rule.

The playroom has balls of eight colours; those of two colours are balloons and rise. The task is to predict the place of
a ball 0.375 s ahead. Errors are root mean squares in room units (the room is 100 wide, a ball about 20).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import torch
from sklearn.metrics import roc_auc_score
from torch import Tensor, nn
from torch.func import functional_call, stack_module_state, vmap

from sensorium.cognition.physics import Correction, Room, Trust, TrustedPrior
from sensorium.config import PlayroomConfig
from sensorium.data.sources.playroom.physics import FRAMES_PER_SECOND
from sensorium.data.sources.playroom.physics import run as simulate_motion
from sensorium.data.sources.playroom.scene import GRAVITY, LAYOUTS, ROOM, WALL, draw_scene
from sensorium.progress import track
from sensorium.randomness import stable_seed
from sensorium.studies.config import PhysicsPriorConfig
from sensorium.studies.findings import Cell, Findings, Table, estimate, over_seeds

REVISION = 2
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
    """n samples for each of S seeds: states of balls, and how far they moved."""

    position: Tensor  # [S, n, 2] room units
    velocity: Tensor  # [S, n, 2] room units a second
    size: Tensor  # [S, n]
    context: Tensor  # [S, n, COLOURS], one-hot
    moved: Tensor  # [S, n, 2] room units, the truth

    def pick(self, rows: np.ndarray) -> Balls:
        """Samples of each seed, rows int64 [S, m]."""
        seed = np.arange(len(rows))[:, None]
        return Balls(*(getattr(self, name)[seed, rows] for name in self.__dataclass_fields__))

    def of(self, balloons: bool) -> Balls:
        """Only the balloons, or only the stones; every seed has as many of them."""
        return self.pick(np.stack([np.flatnonzero(row == balloons) for row in self.balloon.numpy()]))

    @property
    def balloon(self) -> Tensor:
        """Which samples are balloons, bool [S, n]."""
        return self.context[..., :BALLOONS].any(-1)

    @property
    def state(self) -> Tensor:
        """What a network sees, [S, n, 5]."""
        return torch.cat([(self.position - ROOM / 2) / 25, self.velocity / 60, self.size[..., None] / 10 - 1], dim=-1)


class MotionPredictors:
    """A correction alone, a blend with a prior of right or wrong gravity, or that prior alone (never trained).

    One network for each of the config's seeds, all trained at once: their weights are stacked, their losses added, and
    Adam treats every weight by itself, so each becomes what it would become alone.
    """

    def __init__(self, config: PhysicsPriorConfig, room: Room | None) -> None:
        self.config, self.room = config, room
        networks: list[nn.Module] = [
            Correction(5 + COLOURS, config.width, seed)
            if room is None
            else TrustedPrior(5, COLOURS, config.width, seed)
            for seed in config.all_seeds()
        ]
        self._network = networks[0]
        self._weights, _ = stack_module_state(networks)

    def predict(self, balls: Balls) -> tuple[Tensor, Tensor]:
        """Displacements and the correction's share of them, both [S, n, 2], in SCALE."""
        return self._predict(balls, self._laws(balls))

    def train(self, balls: Balls, *, exception: bool = False) -> MotionPredictors:
        """Fit to samples; the correction's penalty weighs as much as `config.penalty` samples do.

        Args:
            balls: the samples.
            exception: change only what belongs to single contexts, so that the rule stays.
        """
        chosen = TrustedPrior.OWN if exception else tuple(self._weights)
        optimiser = torch.optim.Adam([self._weights[name] for name in chosen], lr=self.config.lr)
        laws, count = self._laws(balls), balls.moved.shape[1]
        for _ in track(range(self.config.steps), "steps"):
            moved, share = self._predict(balls, laws)
            error = (moved - balls.moved / SCALE).square().mean((1, 2))
            loss = error + self.config.penalty / count * share.square().mean((1, 2))
            optimiser.zero_grad()
            loss.sum().backward()
            optimiser.step()
        return self

    @torch.no_grad()
    def error(self, balls: Balls) -> np.ndarray:
        """Root mean square distance from the truth, room units, [S]."""
        return rms(SCALE * self.predict(balls)[0] - balls.moved)

    @torch.no_grad()
    def falls(self, balls: Balls) -> np.ndarray:
        """Share of the balls in free flight that are predicted to fall below their path without gravity, [S]."""
        free, _ = TRUE_ROOM.laws(balls.position, balls.velocity, balls.size, SECONDS)
        down, flying = (SCALE * self.predict(balls)[0] - free)[..., 1] > 0, in_free_flight(balls)
        return ((down & flying).sum(1) / flying.sum(1)).numpy()

    @torch.no_grad()
    def trust_auc(self, balls: Balls) -> np.ndarray:
        """Chance that a stone's trust exceeds a balloon's, [S]."""
        theta = self._weights["trust.theta"]
        trust = vmap(lambda theta, rows: functional_call(Trust(COLOURS), {"theta": theta}, rows))(theta, balls.context)
        return np.array(
            [roc_auc_score(~b, w) for b, w in zip(balls.balloon.numpy(), trust[..., 0].numpy(), strict=True)]
        )

    def _laws(self, balls: Balls) -> tuple[Tensor, Tensor] | None:
        if self.room is None:
            return None
        free, law = self.room.laws(balls.position, balls.velocity, balls.size, SECONDS)
        return free / SCALE, law / SCALE

    def _predict(self, balls: Balls, laws: tuple[Tensor, Tensor] | None) -> tuple[Tensor, Tensor]:
        call = vmap(lambda weights, *rows: functional_call(self._network, weights, rows))
        if laws is None:
            moved = call(self._weights, torch.cat([balls.state, balls.context], dim=-1))
            return moved, torch.zeros_like(moved)
        return call(self._weights, *laws, balls.state, balls.context)


def run(config: PhysicsPriorConfig) -> Findings:
    """Curves over the number of samples, trust in a mixed world, and an exception learned after the rule."""
    seeds = config.all_seeds()
    world = stack([throw(seed, "training", config.scenes) for seed in track(seeds, "seeds thrown")])
    test = stack([throw(seed, "test", config.scenes // 2) for seed in seeds])
    order = np.stack(
        [np.random.default_rng(stable_seed("samples", seed)).permutation(world.moved.shape[1]) for seed in seeds]
    )
    columns = len(config.samples)
    errors = {
        name: np.stack([rms(prediction(room, test) - test.moved)] * columns, axis=1)
        for name, room in (("prior", TRUE_ROOM), ("wrong", WRONG_ROOM))
    }
    found: dict[str, np.ndarray] = {}
    for name, room in (("learner", None), ("blend", TRUE_ROOM), ("wrong blend", WRONG_ROOM)):
        counts = track(config.samples, f"numbers of samples of the {name}")
        trained = [MotionPredictors(config, room).train(world.pick(order[:, :count])) for count in counts]
        errors[name] = np.stack([learner.error(test) for learner in trained], axis=1)
        if name == "blend":
            found["trust_auc"] = trained[-1].trust_auc(test)
    found["shuffled_auc"] = MotionPredictors(config, TRUE_ROOM).train(shuffled(config, world)).trust_auc(test)
    found |= exception(config, world, test)
    return Findings(
        metrics=_metrics(config, errors, found),
        controls=_controls(errors, found),
        tables=[
            Table(
                "Root mean square error of a ball's place 0.375 s ahead, room units (the room is 100 wide)",
                [
                    {"samples": count} | {name: estimate(rows[:, column]) for name, rows in errors.items()}
                    for column, count in enumerate(config.samples)
                ],
            ),
            _exceptions(found),
        ],
    )


def shuffled(config: PhysicsPriorConfig, world: Balls) -> Balls:
    """The samples with permuted colours."""
    mixed = [
        np.random.default_rng(stable_seed("colours", seed)).permutation(world.moved.shape[1])
        for seed in config.all_seeds()
    ]
    return replace(world, context=world.pick(np.stack(mixed)).context)


def exception(config: PhysicsPriorConfig, world: Balls, test: Balls) -> dict[str, np.ndarray]:
    """First only stones, then only balloons: errors on each after each phase, for the blend and the learner alone."""
    found = {}
    for name, room in (("blend", TRUE_ROOM), ("blend, all weights", TRUE_ROOM), ("learner", None)):
        learner = MotionPredictors(config, room).train(world.of(balloons=False))
        before = learner.error(test.of(balloons=False))
        learner.train(world.of(balloons=True), exception=name == "blend")
        found[f"{name}_before"], found[f"{name}_after"] = before, learner.error(test.of(balloons=False))
        found[f"{name}_balloons"] = learner.error(test.of(balloons=True))
        found[f"{name}_fall"] = learner.falls(test.of(balloons=False))
        found[f"{name}_rise"] = 1 - learner.falls(test.of(balloons=True))
    return found


def in_free_flight(balls: Balls) -> Tensor:
    """Which balls meet no surface, whichever way gravity pulls: bool [S, n]."""
    margin = balls.size[..., None] + 1
    flying = torch.ones(balls.size.shape, dtype=torch.bool)
    for gravity in (GRAVITY, LIFT * GRAVITY):
        place = balls.position + TRUE_ROOM.moves(balls.position, balls.velocity, balls.size, SECONDS, gravity)
        flying &= ((place > WALL + margin) & (place < ROOM - WALL - margin)).all(-1)
    return flying


def prediction(room: Room, balls: Balls) -> Tensor:
    """The prediction of a prior without learning: displacements [S, n, 2], room units."""
    free, law = room.laws(balls.position, balls.velocity, balls.size, SECONDS)
    return free + law


def rms(difference: Tensor) -> np.ndarray:
    """Root mean square length of [S, n, 2] over n."""
    return difference.square().sum(-1).mean(-1).sqrt().numpy()


def throw(seed: int, part: str, count: int) -> Balls:
    """Throw `count` balls in an empty room, each seen at a few times; every other one is a balloon. S is 1."""
    rng = np.random.default_rng(stable_seed("balls", seed, part))
    config = PlayroomConfig(min_bodies=1, max_bodies=1, seed=stable_seed("room", seed, part) % 2**31)
    columns: list[list[np.ndarray]] = [[], [], [], [], []]
    times = np.arange(0, FRAMES - AHEAD, EVERY)
    for number in range(count):
        scene = draw_scene(config, number)
        assert scene.bodies[0] is not None
        balloon = number % 2 == 0
        colour = int(rng.integers(BALLOONS) if balloon else rng.integers(BALLOONS, COLOURS))
        place, speed = rng.uniform(0.2 * ROOM, 0.8 * ROOM, 2), rng.uniform(-60, 60, 2)
        body = replace(
            scene.bodies[0],
            shape="circle",
            material="metal",
            colour=colour,
            lift=LIFT if balloon else 1.0,
            position=(float(place[0]), float(place[1])),
            velocity=(float(speed[0]), float(speed[1])),
        )
        motion = simulate_motion(
            replace(
                scene,
                bodies=(body, None, None, None),
                hand=(6.0, 6.0),
                layout=LAYOUTS.index(()),
                actions=np.zeros((FRAMES, 2), np.float32),
            ),
            FRAMES,
        )
        position, velocity = motion.position[:, 0], motion.velocity[:, 0]
        for column, values in zip(
            columns,
            (
                position[times],
                velocity[times],
                np.full(len(times), body.size),
                np.tile(np.eye(COLOURS)[colour], (len(times), 1)),
                position[times + AHEAD] - position[times],
            ),
            strict=True,
        ):
            column.append(values)
    return Balls(*(torch.from_numpy(np.concatenate(column).astype(np.float32))[None] for column in columns))


def stack(balls: Sequence[Balls]) -> Balls:
    """One seed after the other."""
    return Balls(*(torch.cat([getattr(each, name) for each in balls]) for name in Balls.__dataclass_fields__))


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
