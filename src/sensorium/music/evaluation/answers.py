"""What may be answered to "the drums of A with the harmony of B": by networks, by trivial means, by oracles.

Answers are functions of two mixtures, except for those of an oracle, which are called so.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field

import numpy as np
import torch
from torch import Tensor

from sensorium.artifacts import ArtifactError
from sensorium.data.sample_formats import FULL_SCALE
from sensorium.music.config import RATE
from sensorium.music.evaluation.popular_numbers import of_masks
from sensorium.music.mask_network import MaskNetwork
from sensorium.music.separation import combine, median_shares
from sensorium.music.song_set import OWN, STEMS, SongSet
from sensorium.music.spectrum import analyse
from sensorium.randomness import stable_seed

NOISE = 0.1  # root mean square of the answer that is noise
PIECE = 8  # pairs a pass


@dataclass(frozen=True)
class Task:
    """Pairs of test songs whose bars are aligned.

    Attributes:
        names: of the songs, n pairs.
        stems: drums and harmony of A, drums and harmony of B, float32 [n, 4, S].
    """

    names: list[tuple[str, str]]
    stems: np.ndarray

    @classmethod
    def of(cls, songs: SongSet, pairs: int, seconds: float, source: str = OWN) -> Task:
        """The beginnings of up to so many pairs of test songs of a source, spread over the tempi.

        Raises:
            ArtifactError: if there are not two, or songs are shorter.
        """
        every = songs.pairs("test", source)
        shortest = min((len(songs.field(name, STEMS[0])) for pair in every for name in pair), default=0) / RATE
        if len(every) < 2 or shortest < seconds:
            raise ArtifactError(
                f"{songs.manifest}: {len(every)} pairs of test songs ({source}) of at least {shortest:.2f} seconds; "
                f"two pairs of {seconds} are needed; lower evaluations.music_transfer.seconds, or make other songs"
            )
        picked = np.unique(np.linspace(0, len(every) - 1, min(pairs, len(every))).round().astype(int))
        names, samples = [every[place] for place in picked], round(seconds * RATE)
        rows = [[songs.field(name, stem)[:samples] for name in pair for stem in STEMS] for pair in names]
        return cls(names, np.array(rows, np.float32) / FULL_SCALE)

    @property
    def songs(self) -> np.ndarray:
        """The mixtures A and B, [n, 2, S]."""
        return self.stems[:, 0::2] + self.stems[:, 1::2]

    @property
    def wanted(self) -> np.ndarray:
        """The drums of A with the harmony of B, [n, S]."""
        return self.stems[:, 0] + self.stems[:, 3]


@dataclass(frozen=True)
class Answer:
    """An answer to every pair.

    Attributes:
        sounds: float32 [n, S].
        masks: numbers of what was taken of A and of B (`popular_numbers.of_masks`); empty where nothing was masked.
    """

    sounds: np.ndarray
    masks: dict[str, float] = field(default_factory=dict)


Shares = Callable[[Tensor, slice], Tensor]  # (spectra of both mixtures, which pairs) -> shares of drums in them


def by_shares(songs: np.ndarray, shares: Shares, device: torch.device) -> Answer:
    """The answer of masks to the mixtures [n, 2, S]."""
    sounds, numbers = [], []
    for start in range(0, len(songs), PIECE):
        part = slice(start, start + PIECE)
        with torch.no_grad():
            spectra = analyse(torch.from_numpy(songs[part]).to(device))
            found = shares(spectra, part)
            sounds.append(combine(found, spectra, songs.shape[-1]).cpu().numpy())
            taken = torch.stack((found[:, 0], 1 - found[:, 1]), 1).cpu().numpy()
            numbers += [of_masks(one[None]) for one in taken]
    return Answer(np.concatenate(sounds), {name: float(np.mean([n[name] for n in numbers])) for name in numbers[0]})


def by_network(songs: np.ndarray, network: MaskNetwork, device: torch.device) -> Answer:
    """The answer of a network, which is given the mixtures [n, 2, S] and nothing else."""
    return by_shares(songs, lambda spectra, _: network(spectra.flatten(0, 1)).view(spectra.shape), device)


def by_medians(songs: np.ndarray) -> Answer:
    """The answer of median filters, which learn nothing."""
    masks = lambda spectra, _: median_shares(spectra.flatten(0, 1)).view(spectra.shape)  # noqa: E731
    return by_shares(songs, masks, torch.device("cpu"))


def by_oracle(task: Task, masks: Callable[[Tensor, Tensor], Tensor]) -> Answer:
    """The answer of an ideal mask, which is made from the stems."""

    def shares(_: Tensor, part: slice) -> Tensor:
        stems = analyse(torch.from_numpy(task.stems[part]))
        return masks(stems[:, 0::2], stems[:, 1::2])

    return by_shares(task.songs, shares, torch.device("cpu"))


def trivial(task: Task, seed: int) -> dict[str, Answer]:
    """Answers that nobody had to learn, by name; the best linear gains are an oracle's."""
    songs, wanted = task.songs, task.wanted
    halves = np.full((1, 2, 1, 2), 0.5)
    gains = np.stack([np.linalg.lstsq(pair.T, want, rcond=None)[0] for pair, want in zip(songs, wanted, strict=True)])
    noise = np.random.default_rng(stable_seed(seed, "noise")).standard_normal(wanted.shape)
    return {
        "cross-fade": Answer(songs.mean(1), of_masks(halves)),
        "best linear gains": Answer((gains[..., None] * songs).sum(1)),
        "copy A": Answer(songs[:, 0], of_masks(halves * [[[[2.0]], [[0.0]]]])),
        "copy B": Answer(songs[:, 1], of_masks(halves * [[[[0.0]], [[2.0]]]])),
        "another song": Answer(np.roll(wanted, 1, 0)),
        "silence": Answer(np.zeros_like(wanted), of_masks(0 * halves)),
        "noise": Answer((NOISE * noise).astype(np.float32)),
    }
