"""How many strokes `sensorium continue --midi` writes where they are, in songs that are composed here.

Notes are written to a file, read back and compared with the truth: a stroke is found where a note of its kind lies
within 50 ms of it, each for one. F1 is that of all songs together.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence

import numpy as np
import torch

from sensorium.data.sample_formats import FULL_SCALE
from sensorium.music.config import BEATS, RATE
from sensorium.music.evaluation.own_songs import OwnSong, as_heard, own_song
from sensorium.music.grooves import PIECES
from sensorium.music.mask_network import MaskNetwork
from sensorium.music.midi import read_midi
from sensorium.music.midi_writing import stored_tempo, write_midi
from sensorium.music.separation import median_shares, ratio_shares
from sensorium.music.spectrum import analyse, synthesise
from sensorium.music.streaming import Separation
from sensorium.music.strokes import KINDS, Stroke, StrokeListener, as_notes

TOLERANCE = 0.05  # seconds
MERGED = 0.03  # seconds within which strokes are one, where kinds do not count
ANY = "any stroke"
SCORES = (ANY, *KINDS)
NAMES = {"kick": ("kick",), "snare": ("snare", "rim", "clap"), "hat": ("hat", "open", "ride", "crash", "shaker")}
RESAMPLES = 1000
Answer = Callable[[OwnSong], list[Stroke]]


def stroke_scores(count: int, seed: int, bars: int, network: MaskNetwork | None) -> dict[str, dict[str, np.ndarray]]:
    """F1 with its 95 % interval over songs, of each answer and each of SCORES: [3]."""
    answers = _answers(network)
    counts: dict[str, list[list[tuple[int, int, int]]]] = {name: [] for name in answers}
    for number in range(count):
        own = own_song(seed, number, bars, "strokes")
        true = _true(own)
        for name, answer in answers.items():
            found = written(answer(own), own.tempo)
            counts[name].append([counted(found[kind], true[kind]) for kind in SCORES])
    rng = np.random.default_rng(seed)
    weights = rng.multinomial(count, np.full(count, 1 / count), RESAMPLES)
    return {name: _with_interval(np.array(each), weights) for name, each in counts.items()}


def written(strokes: list[Stroke], tempo: float) -> dict[str, np.ndarray]:
    """Seconds of the notes of each kind, and of any, in a file of these strokes."""
    tempo = stored_tempo(tempo)
    notes = read_midi(write_midi(as_notes(strokes, tempo), tempo, "drums")).notes
    seconds = {
        name: np.array([note.start * 60 / tempo for note in notes if note.pitch == kind.key])
        for name, kind in KINDS.items()
    }
    return {ANY: merged(np.concatenate(list(seconds.values()))), **seconds}


def merged(seconds: np.ndarray) -> np.ndarray:
    """Times of which none is within MERGED of the one before."""
    found: list[float] = []
    for each in np.sort(seconds).tolist():
        if not found or each - found[-1] > MERGED:
            found.append(each)
    return np.array(found)


def counted(found: np.ndarray, true: np.ndarray) -> tuple[int, int, int]:
    """How many are matched one to one within TOLERANCE, are found, and are true; both in order."""
    place = other = matched = 0
    while place < len(found) and other < len(true):
        if abs(found[place] - true[other]) <= TOLERANCE:
            matched, place, other = matched + 1, place + 1, other + 1
        elif found[place] < true[other]:
            place += 1
        else:
            other += 1
    return matched, len(found), len(true)


def f1_of(counts: np.ndarray) -> np.ndarray:
    """Of sums of what `counted` gives, [..., 3]."""
    return np.asarray(2 * counts[..., 0] / np.maximum(1, counts[..., 1] + counts[..., 2]))


def _with_interval(counts: np.ndarray, weights: np.ndarray) -> dict[str, np.ndarray]:
    """Counts [songs, scores, 3], weights [resamples, songs]."""
    value, resampled = f1_of(counts.sum(0)), f1_of(np.tensordot(weights, counts, 1))
    low, high = np.percentile(resampled, (2.5, 97.5), axis=0)
    return {name: np.array((value[n], low[n], high[n])) for n, name in enumerate(SCORES)}


def _true(own: OwnSong) -> dict[str, np.ndarray]:
    """Seconds of the strokes of each kind, and of any, toms included."""
    seconds = own.sound.onsets[:, 0] / RATE
    pieces = np.array(PIECES)[own.sound.onsets[:, 1]]
    return {ANY: merged(seconds), **{kind: np.sort(seconds[np.isin(pieces, names)]) for kind, names in NAMES.items()}}


def _answers(network: MaskNetwork | None) -> Mapping[str, Answer]:
    """By name: strokes heard in drums, and what needs no ear."""
    heard: dict[str, Answer] = {
        "true drums": lambda own: _heard(as_heard(own.sound.drums)),
        "drums of the ideal ratio mask": lambda own: _heard(_separated(own, ratio_shares)),
        "drums of median filters": lambda own: _heard(
            _separated(own, lambda *stems: median_shares(stems[0] + stems[1]))
        ),
    }
    if network is not None:
        heard["drums of the mask"] = lambda own: _heard(_by_mask(own, network))
    return heard | {
        "the mixture": lambda own: _heard(as_heard(_mixture(own))),
        "true drums, each stroke of all kinds": lambda own: [
            Stroke(each.seconds, kind, 0.0) for each in _heard(as_heard(own.sound.drums)) for kind in KINDS
        ],
        "kick on 1 and 3, snare on 2 and 4, hat on eighths": lambda own: _grid(
            own, {"kick": (0, 4), "snare": (2, 6), "hat": range(8)}
        ),
        "all kinds on eighths": lambda own: _grid(own, dict.fromkeys(KINDS, range(8))),
    }


def _heard(wave: np.ndarray) -> list[Stroke]:
    listener = StrokeListener()
    listener.add(wave[None])
    return listener.strokes()


def _mixture(own: OwnSong) -> np.ndarray:
    return (own.sound.drums.astype(np.float32) + own.sound.harmony) / FULL_SCALE


def _separated(own: OwnSong, shares: Callable[..., torch.Tensor]) -> np.ndarray:
    """The drums that a mask of both stems' spectra, or of their sum, takes from the mixture."""
    stems = torch.from_numpy(np.stack((own.sound.drums, own.sound.harmony)).astype(np.float32) / FULL_SCALE)
    drums, harmony = analyse(stems)[:, None]
    return as_heard(synthesise(shares(drums, harmony) * (drums + harmony), stems.shape[1])[0].numpy())


def _by_mask(own: OwnSong, network: MaskNetwork) -> np.ndarray:
    """As `sensorium continue` does."""
    wave = as_heard(_mixture(own))[None]
    level = float(np.sqrt(np.mean(wave**2, dtype=np.float64)))
    return np.concatenate([drums for _, drums in Separation(network, level).drums(iter([wave]), wave.shape[1])], 1)[0]


def _grid(own: OwnSong, eighths: Mapping[str, Sequence[int]]) -> list[Stroke]:
    """The same strokes in every bar."""
    half = own.beat / RATE / 2
    bars = len(own.sound.drums) // (BEATS * own.beat)
    return [
        Stroke((2 * BEATS * bar + eighth) * half, kind, 0.0)
        for bar in range(bars)
        for kind, each in eighths.items()
        for eighth in each
    ]
