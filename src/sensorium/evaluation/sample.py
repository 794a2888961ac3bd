"""Windows of recordings with what is known of them: what evaluations draw, compare and average over."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np


@dataclass(frozen=True)
class Sample:
    """Windows, or single moments, one row each.

    Attributes:
        groups: name of each row's recording, [n]: rows of one recording are alike, so intervals resample recordings.
        start: first frame of each row within its recording, int64 [n].
        fields: what is known of each row: name -> array [n, ...]. Names are those of the recordings ("video",
            "truth.state") where the values are theirs.
    """

    groups: np.ndarray
    start: np.ndarray
    fields: Mapping[str, np.ndarray] = field(default_factory=dict)

    def __post_init__(self) -> None:
        lengths = {name: len(values) for name, values in {"start": self.start, **self.fields}.items()}
        wrong = {name: length for name, length in lengths.items() if length != len(self.groups)}
        if wrong:
            raise ValueError(f"a sample of {len(self.groups)} rows has fields of other lengths: {wrong}")

    def __len__(self) -> int:
        return len(self.groups)

    def __contains__(self, name: str) -> bool:
        return name in self.fields

    def __getitem__(self, name: str) -> np.ndarray:
        """A field, [n, ...]."""
        return self.fields[name]

    def get(self, name: str) -> np.ndarray | None:
        """A field, [n, ...], or None where these recordings lack it."""
        return self.fields.get(name)

    @property
    def names(self) -> list[str]:
        """Name of each row's recording, as a list for `statistics.measure`."""
        names: list[str] = self.groups.tolist()
        return names

    def rows(self, index: Any) -> Sample:
        """The rows of an index or a mask."""
        fields = {name: values[index] for name, values in self.fields.items()}
        return Sample(self.groups[index], self.start[index], fields)

    def having(self, **fields: np.ndarray) -> Sample:
        """The same rows with fields added or replaced."""
        return replace(self, fields={**self.fields, **fields})

    def cut(self, recordings: Mapping[str, np.ndarray], frames: int) -> np.ndarray:
        """`frames` frames from each row's start on, out of arrays of whole recordings: [n, frames, ...].

        Args:
            recordings: name of a recording -> [T, ...].
            frames: how many.
        """
        places = zip(self.groups.tolist(), self.start.tolist(), strict=True)
        return np.stack([recordings[name][start : start + frames] for name, start in places])


def of_other_recordings(groups: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """For each row a random row of another recording, int64 [n]."""
    return np.array([rng.choice(np.flatnonzero(groups != group)) for group in groups])


def with_actions_of(actions: np.ndarray, others: np.ndarray, given: int) -> np.ndarray:
    """The actions [n, T, ...] of each row in its first `given` frames, then those of row others[i]."""
    changed = actions.copy()
    changed[:, given:] = actions[others, given:]
    return changed
