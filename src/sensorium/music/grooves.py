"""Drum patterns of a bar of sixteen steps, their variations and their fills.

A groove is drawn once for each section of a song; every bar of it is varied a little, the fourth of four bars ends with
a short fill and the eighth of eight with a long one, so that no bars repeat exactly.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

STEPS = 16  # of a bar
PIECES = ("kick", "snare", "rim", "clap", "hat", "open", "ride", "crash", "low tom", "middle tom", "high tom", "shaker")
KICKS = (
    "x...x...x...x...",
    "x.......x.......",
    "x.....x.x.......",
    "x..x..x.x..x....",
    "x.......x.x.....",
    "x...x...x..xx...",
    "x..x......x.....",
    "x.x.......xx....",
    "x......xx.......",
    "x..x..x...x..x..",
    "x.........x..x..",
    "x.....x...x...x.",
)
BACKBEATS = ("....x.......x...", "....x.......x...", "....x.......x..x", "........x.......", "....x..x....x...")
CYMBALS = (
    "x.x.x.x.x.x.x.x.",
    "xxxxxxxxxxxxxxxx",
    "..x...x...x...x.",
    "x.x.x.x.x.x.x.x.",
    "x...x...x...x...",
    "x.xxx.xxx.xxx.xx",
)


@dataclass(frozen=True)
class Hit:
    """A stroke.

    Attributes:
        start: in beats.
        piece: of PIECES.
        loudness: amplitude, in (0, 1].
    """

    start: float
    piece: str
    loudness: float


@dataclass(frozen=True)
class Groove:
    """What the drums of a section repeat.

    Attributes:
        kick, backbeat, cymbal: patterns.
        snare: the piece of the backbeat.
        ride: the piece of the cymbal pattern.
        ghosts: chance of a soft stroke of the snare on each free step.
        changes: chance that a bar has one more or one fewer kick, or an open hat.
    """

    kick: str
    backbeat: str
    cymbal: str
    snare: str
    ride: str
    ghosts: float
    changes: float

    @classmethod
    def draw(cls, rng: np.random.Generator) -> Groove:
        """A groove at random."""
        return cls(
            kick=str(rng.choice(KICKS)),
            backbeat=str(rng.choice(BACKBEATS)),
            cymbal=str(rng.choice(CYMBALS)),
            snare=str(rng.choice(["snare", "snare", "snare", "rim", "clap"])),
            ride=str(rng.choice(["hat", "hat", "hat", "ride", "shaker"])),
            ghosts=float(rng.choice([0.0, 0.05, 0.12])),
            changes=float(rng.uniform(0.3, 0.7)),
        )

    def bar(self, start: float, rng: np.random.Generator, place: int, opens: bool) -> list[Hit]:
        """The strokes of a bar.

        Args:
            start: of the bar, in beats.
            rng: draws its variations.
            place: of the bar within its section of eight.
            opens: whether a crash marks it.
        """
        kick = self._varied_kick(rng)
        end = STEPS - (8 if place == 7 else 4 if place == 3 and rng.random() < 0.8 else 0)
        hits = [Hit(start + step / 4, "kick", rng.uniform(0.8, 1.0)) for step in range(end) if kick[step] == "x"]
        open_step = int(rng.choice([7, 15, 11, 3])) if rng.random() < self.changes / 2 else -1
        for step in range(end):
            beat = start + step / 4
            if self.backbeat[step] == "x":
                hits.append(Hit(beat, self.snare, rng.uniform(0.8, 1.0)))
            elif rng.random() < self.ghosts:
                hits.append(Hit(beat, "snare", rng.uniform(0.12, 0.25)))
            if step == open_step and self.ride == "hat":
                hits.append(Hit(beat, "open", rng.uniform(0.5, 0.7)))
            elif self.cymbal[step] == "x" and not (opens and step == 0):
                accent = 0.75 if step % 4 == 0 else 0.55 if step % 2 == 0 else 0.4
                hits.append(Hit(beat, self.ride, accent * rng.uniform(0.85, 1.15)))
        if opens:
            hits.append(Hit(start, "crash", rng.uniform(0.7, 0.9)))
        return hits + _fill(start, end, rng)

    def _varied_kick(self, rng: np.random.Generator) -> str:
        if rng.random() >= self.changes:
            return self.kick
        step = int(rng.choice([3, 6, 7, 10, 11, 13, 14]))
        return self.kick[:step] + ("." if self.kick[step] == "x" else "x") + self.kick[step + 1 :]


def _fill(start: float, first: int, rng: np.random.Generator) -> list[Hit]:
    """Strokes from step `first` to the end of a bar, louder and louder, from high to low."""
    order = (
        ("snare", "high tom", "middle tom", "low tom") if rng.random() < 0.7 else ("snare", "snare", "kick", "snare")
    )
    hits = []
    for step in range(first, STEPS):
        done = (step - first) / max(1, STEPS - first)
        if rng.random() < 0.8:
            hits.append(Hit(start + step / 4, order[int(4 * done)], (0.5 + 0.5 * done) * rng.uniform(0.85, 1.0)))
    return hits
