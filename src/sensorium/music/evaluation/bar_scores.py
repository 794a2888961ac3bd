"""How well the bars that `sensorium continue --bars` adds predict those that really follow.

A passage is heard up to a bar, and the eight bars after it are the truth. Drums and harmony go on by themselves.
Bars are compared in notes, so no detector errs: strokes by piece and sixteenth (F1), pitch classes of each beat
(cosine); and as sounds: onset strength (correlation), chroma of each beat (cosine).
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch

from sensorium.data.sample_formats import FULL_SCALE
from sensorium.music.beat_features import RATE as HEARD_RATE
from sensorium.music.config import BEATS, RATE
from sensorium.music.evaluation.own_songs import as_heard, own_song
from sensorium.music.evaluation.transfer_scores import CHROMA_HOP, chroma, correlation, onset_strength
from sensorium.music.midi import DRUM_CHANNEL, MidiNote, MidiSong
from sensorium.music.midi_files import listed, read_songs
from sensorium.music.next_bars import FADE, bars_as_heard, joined, next_bars, repeated_bars, resemblance
from sensorium.music.rendering import beat_samples
from sensorium.music.repetition import pitch_classes, strokes
from sensorium.music.separation import median_shares
from sensorium.music.spectrum import analyse, synthesise
from sensorium.music.written_songs import full_bars, unusable
from sensorium.randomness import stable_seed

AHEAD = 8  # bars that are predicted
GIVEN = (12, 24)  # bars that are heard, at least and at most
PEOPLES = 16  # bars of a song by people that are heard
STEPS = 16
RULE, MEDIANS, OTHER, BEST = "this", "this, heard by median filters", "another song", "best earlier bar"
REPEATS = {f"repeat the last {name}": bars for name, bars in (("bar", 1), ("two", 2), ("four", 4), ("eight", 8))}
AGAINST = "repeat the last four"
SCORES = ("strokes", "pitches", "onsets", "chroma")
RESAMPLES = 1000
Picks = tuple[list[int], list[int]]  # of drums and of harmony


@dataclass(frozen=True)
class Passage:
    """Bars of a song with what follows.

    Attributes:
        strokes: bool [bars, steps, pieces], of all bars.
        pitches: how long pitch classes sound, [bars, beats, 12].
        stems: drums and harmony of all bars, float32 [2, S] at RATE.
        bar: samples of a bar at RATE.
    """

    strokes: np.ndarray
    pitches: np.ndarray
    stems: np.ndarray
    bar: int

    @property
    def given(self) -> int:
        """Bars that are heard."""
        return len(self.strokes) - AHEAD


def own_passages(count: int, seed: int) -> Iterator[Passage]:
    """Beginnings of songs that are composed here."""
    for number in range(count):
        bars = int(np.random.default_rng(stable_seed(seed, "passage", number)).integers(*GIVEN, endpoint=True)) + AHEAD
        own = own_song(seed, number, bars, "next", first=0)
        stems = np.stack((own.sound.drums, own.sound.harmony)).astype(np.float32) / FULL_SCALE
        yield Passage(strokes(own.song)[:bars], pitch_classes(own.song)[:bars], stems, BEATS * own.beat)


def peoples_passages(count: int, seed: int, font: Path, folders: Sequence[Path]) -> Iterator[Passage]:
    """Passages of songs by people in which drums and harmony play throughout, each song once, on a soundfont."""
    from sensorium.music.soundfont import SoundFont, render_notes  # needs an optional package

    player, bars, found = SoundFont(font), PEOPLES + AHEAD, 0
    for title, song in (each for folder in folders for path in listed(folder) for each in read_songs(path)):
        firsts = full_bars(song.notes, bars) if isinstance(song, MidiSong) and not unusable(song) else []
        if not firsts or not isinstance(song, MidiSong):
            continue
        rng = np.random.default_rng(stable_seed(seed, "passage", title))
        first, tempo = int(rng.choice(firsts)), float(rng.uniform(84, 140))
        fields = render_notes(player, song.notes, tempo, first, bars, int(rng.integers(2**31)))
        stems = np.stack((fields["drums"], fields["harmony"])).astype(np.float32) / FULL_SCALE
        yield Passage(*_in_bars(song.notes, first, bars), stems, BEATS * beat_samples(tempo))
        found += 1
        if found == count:
            return


def _in_bars(notes: Sequence[MidiNote], first: int, bars: int) -> tuple[np.ndarray, np.ndarray]:
    """Strokes by key and sixteenth, and how long pitch classes sound in each beat."""
    struck, sounding = np.zeros((bars * STEPS, 128), bool), np.zeros((bars * BEATS, 12))
    for note in notes:
        start, stop = note.start - BEATS * first, note.start + note.length - BEATS * first
        step = round(start * STEPS / BEATS)
        if note.channel == DRUM_CHANNEL and 0 <= step < len(struck):
            struck[step, note.pitch] = True
        elif note.channel != DRUM_CHANNEL:
            for beat in range(max(0, int(start)), min(len(sounding), int(np.ceil(stop)))):
                sounding[beat, note.pitch % 12] += max(0.0, min(beat + 1, stop) - max(beat, start))
    return struck.reshape(bars, STEPS, 128), sounding.reshape(bars, BEATS, 12)


def picks_of(passage: Passage) -> dict[str, Picks]:
    """Bars that each answer goes on with."""
    given, heard = passage.given, passage.stems[:, : passage.given * passage.bar]
    mixture = torch.from_numpy(heard.sum(0))[None]
    spectra = analyse(mixture)
    drums = synthesise(median_shares(spectra) * spectra, mixture.shape[1]).numpy()[0]
    best = (
        [int(np.argmax([_f1(passage.strokes[n], each) for each in passage.strokes[:given]])) for n in _next(passage)],
        [int(_cosines(passage.pitches[:given], passage.pitches[n]).argmax()) for n in _next(passage)],
    )
    return {
        RULE: chosen(heard, passage.bar),
        MEDIANS: chosen(np.stack((drums, heard.sum(0) - drums)), passage.bar),
        **{name: (repeated_bars(given, bars, AHEAD),) * 2 for name, bars in REPEATS.items()},
        BEST: best,
    }


def chosen(stems: np.ndarray, bar: int) -> Picks:
    """By the rule, from drums and harmony [2, n] at RATE."""
    scale = HEARD_RATE / RATE
    drums, _ = bars_as_heard(as_heard(stems[0]), bar * scale)
    _, harmony = bars_as_heard(as_heard(stems[1]), bar * scale)
    return next_bars(resemblance(drums), AHEAD), next_bars(resemblance(harmony), AHEAD)


def scores_of_bars(passages: Sequence[Passage]) -> dict[str, dict[str, np.ndarray]]:
    """Answer -> score -> a number for each passage and bar ahead, [n, AHEAD].

    Strokes have two: those that are right, twice, and all of both, [n, AHEAD, 2]. Another song is given in notes alone.
    """
    found: dict[str, dict[str, list[np.ndarray]]] = {}
    for number, passage in enumerate(passages):
        for name, (drums, harmony) in picks_of(passage).items():
            guess = passage.strokes[drums], passage.pitches[harmony]
            scores = _in_notes(passage, *guess) | _as_sounds(passage, drums, harmony)
            for score, values in scores.items():
                found.setdefault(name, {}).setdefault(score, []).append(values)
        other = passages[(number + 1) % len(passages)]
        scores = _in_notes(passage, other.strokes[:AHEAD], other.pitches[:AHEAD])
        for score, values in scores.items():
            found.setdefault(OTHER, {}).setdefault(score, []).append(values)
    return {name: {score: np.array(each) for score, each in scores.items()} for name, scores in found.items()}


def mean_score(score: str, values: np.ndarray, weights: np.ndarray | None = None) -> float:
    """Over passages and the bars ahead in `values`; F1 of all strokes together."""
    weights = np.ones(len(values)) if weights is None else weights
    total = np.tensordot(weights, values, 1)
    if score == "strokes":
        right, every = total.reshape(-1, 2).sum(0)
        return float(right / max(1, every))
    return float(total.mean() / weights.sum())


def difference(score: str, first: np.ndarray, second: np.ndarray) -> tuple[float, float, float]:
    """How much better the first answer is, with its 95 % interval over the passages, which both share."""
    count = len(first)
    rng = np.random.default_rng(0)
    weights = rng.multinomial(count, np.full(count, 1 / count), RESAMPLES).astype(float)
    every = [mean_score(score, first, each) - mean_score(score, second, each) for each in weights]
    low, high = np.percentile(every, (2.5, 97.5))
    return mean_score(score, first) - mean_score(score, second), float(low), float(high)


def _next(passage: Passage) -> range:
    return range(passage.given, passage.given + AHEAD)


def _f1(true: np.ndarray, guess: np.ndarray) -> float:
    return float(2 * (true & guess).sum() / max(1, true.sum() + guess.sum()))


def _cosines(first: np.ndarray, second: np.ndarray) -> np.ndarray:
    """Of pitch classes, [..., beats, 12], mean over the beats; 1 where both are silent."""
    norms = np.linalg.norm(first, axis=-1) * np.linalg.norm(second, axis=-1)
    silent = (first.sum(-1) == 0) & (second.sum(-1) == 0)
    return np.asarray(np.where(silent, 1.0, (first * second).sum(-1) / np.maximum(norms, 1e-9)).mean(-1))


def _in_notes(passage: Passage, struck: np.ndarray, sounding: np.ndarray) -> dict[str, np.ndarray]:
    true, pitches = passage.strokes[passage.given :], passage.pitches[passage.given :]
    right = 2 * (true & struck).sum((1, 2))
    every = true.sum((1, 2)) + struck.sum((1, 2))
    return {"strokes": np.stack((right, every), 1), "pitches": _cosines(pitches, sounding)}


def _as_sounds(passage: Passage, drums: list[int], harmony: list[int]) -> dict[str, np.ndarray]:
    """As the command joins the bars."""
    end = passage.given * passage.bar
    sounds = [
        joined(stem[:end], passage.bar, picked, fade=FADE * RATE // HEARD_RATE)[-AHEAD * passage.bar :]
        for stem, picked in zip(passage.stems, (drums, harmony), strict=True)
    ]
    true = passage.stems[:, end:]
    bars = [slice(n * passage.bar, (n + 1) * passage.bar) for n in range(AHEAD)]
    onsets = [onset_strength(np.stack((sounds[0][bar], true[0][bar]))) for bar in bars]
    heard = chroma(np.stack((sounds[1], true[1])))
    frames = [slice(round(bar.start / CHROMA_HOP), round(bar.stop / CHROMA_HOP)) for bar in bars]
    return {
        "onsets": np.array([float(correlation(first[None], second[None])[0]) for first, second in onsets]),
        "chroma": np.array([(heard[0, :, part] * heard[1, :, part]).sum(0).mean() for part in frames]),
    }
