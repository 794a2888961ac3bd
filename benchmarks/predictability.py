"""How far ahead the playroom is predictable: an oracle knows its laws, the coming actions and a noisy state.

    python benchmarks/predictability.py --size 64 --rooms 100

A guess is the true state of a room at one moment with Gaussian noise: its std is some pixels for places, as many pixels
a frame for velocities, and as many pixels at the rim of a body for angles. The simulator continues from many guesses
under the true actions, and the mean of its films is the prediction. Its PSNR against the true frames is computed as in
`rollout`. The guesses are centred on the truth, so a real readout with the same error would predict worse. Their finite
number adds up to a share of 1 / guesses to the error (0.3 dB at 16). The materials of bodies are known, or drawn for
each guess from the materials that have the body's texture, by their frequency. Nothing is asserted.
"""

from __future__ import annotations

import argparse
from collections import defaultdict
from itertools import product

import numpy as np
import pymunk

from sensorium.config import PlayroomConfig
from sensorium.data.sample_formats import WHITE
from sensorium.data.sources.playroom import render
from sensorium.data.sources.playroom.materials import MATERIALS, PROPERTIES, TEXTURES
from sensorium.data.sources.playroom.physics import FRAMES_PER_SECOND, Habit, Motion, RoomSimulation
from sensorium.data.sources.playroom.scene import OWN_TEXTURE, ROOM, Body, Scene, draw_scene
from sensorium.evaluation.scores import psnr
from sensorium.interactive.parts import positive

FIRST = 50_000  # the first room
FRAMES, AHEAD = 96, 16
SHOWN = (1, 2, 4, 8, 12, 16)
NOISE_STDS = (0.02, 0.05, 0.1, 0.2, 0.5)


def guessed_material(body: Body, rng: np.random.Generator) -> str:
    """A material drawn from its distribution given the body's texture, with a uniform prior."""
    own = np.array([TEXTURES[PROPERTIES[name].texture] == body.texture for name in MATERIALS])
    chances = np.where(own, OWN_TEXTURE, (1 - OWN_TEXTURE) / (len(TEXTURES) - 1))
    return MATERIALS[rng.choice(len(MATERIALS), p=chances / chances.sum())]


def disturb(body: pymunk.Body, units: float, radius: float, rng: np.random.Generator) -> None:
    """Add noise with an std of `units` to a body's place, its velocity (units a frame) and its angle (at its rim)."""
    body.position = tuple(np.array(body.position) + units * rng.standard_normal(2))
    body.velocity = tuple(np.array(body.velocity) + units * FRAMES_PER_SECOND * rng.standard_normal(2))
    if np.isfinite(body.moment):
        body.angle += units / radius * rng.standard_normal()
        body.angular_velocity += units / radius * FRAMES_PER_SECOND * rng.standard_normal()


def guess(
    scene: Scene, actions: list[np.ndarray], start: int, size: int, pixels: float, looks: bool, rng: np.random.Generator
) -> np.ndarray:
    """The AHEAD frames after `start`, float32 [AHEAD, size, size, 3] in [0, 1], from one guess of the room there."""
    room = RoomSimulation(scene)
    for action in actions[:start]:
        room.step(action)
    for spec, body in zip(scene.bodies, room.bodies, strict=True):
        if spec is None or body is None:
            continue
        disturb(body, pixels * ROOM / size, spec.size, rng)
        for shape in body.shapes if looks else ():
            material = PROPERTIES[guessed_material(spec, rng)]
            shape.density = material.density / PROPERTIES[spec.material].density * shape.density
            shape.friction, shape.elasticity = material.friction, material.elasticity
    disturb(room.hand, pixels * ROOM / size, 1.0, rng)
    film = render.draw(scene, Motion.join([room.step(action) for action in actions[start : start + AHEAD]]), size)
    return film.astype(np.float32) / WHITE


def main() -> None:
    """Guess and print a table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--size", type=int, default=64, help="pixels a side")
    parser.add_argument("--rooms", type=positive, default=100)
    parser.add_argument(
        "--guesses", type=positive, default=16, help="simulated films that are averaged for a prediction"
    )
    parser.add_argument("--seed", type=int, default=0)
    args = parser.parse_args()
    config = PlayroomConfig(size=args.size, frames=FRAMES, seed=args.seed)
    errors = defaultdict(list)
    for number in range(FIRST, FIRST + args.rooms):
        scene, rng = draw_scene(config, number), np.random.default_rng((args.seed, number))
        room, habit = RoomSimulation(scene), Habit(scene)
        moments = [room.step(habit.act(room)) for _ in range(FRAMES)]
        actions, start = [moment.action for moment in moments], int(rng.integers(16, FRAMES - AHEAD))
        film = render.draw(scene, Motion.join(moments), args.size).astype(np.float32) / WHITE
        truth = film[start : start + AHEAD]
        errors["the last frame", ""].append(np.square(film[start - 1] - truth).mean((1, 2, 3)))
        for looks, pixels in product((False, True), NOISE_STDS):
            films = [guess(scene, actions, start, args.size, pixels, looks, rng) for _ in range(args.guesses)]
            key = "guessed by looks" if looks else "known", f"{pixels}"
            errors[key].append(np.square(np.mean(films, axis=0) - truth).mean((1, 2, 3)))
    print(f"{args.rooms} rooms, {args.size} x {args.size}, seed {args.seed}, {args.guesses} guesses; dB")
    print("| materials | noise std, pixels | " + " | ".join(f"frame {ahead}" for ahead in SHOWN) + " |")
    print("|---|" + "---|" * (1 + len(SHOWN)))
    for (materials, std), values in errors.items():
        ones, curve = np.ones(len(values)), np.array(values)
        cells = (f"{psnr(curve[:, [ahead - 1]], ones):.1f}" for ahead in SHOWN)
        print(f"| {materials} | {std} | " + " | ".join(cells) + " |")


if __name__ == "__main__":
    main()
