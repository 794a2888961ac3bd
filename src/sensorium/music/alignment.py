"""Bars on bars: which part of each song is used, and how fast it is played.

Both songs get one tempo, and each begins with the bar in which its sound begins. A song whose tempo is closer to the
wanted one when it is counted twice as fast, or half as fast, is counted so: half the tempo fits as it is.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass

import numpy as np

from sensorium.config import ConfigurationError
from sensorium.music.beat_features import LONGEST
from sensorium.music.beats import CLEAR, SHORTEST, Beats, begin_of, end_of, find_beats
from sensorium.music.config import BEATS
from sensorium.music.sound_files import RATE, SoundFile, SoundFileError
from sensorium.music.stretching import FASTEST, SLOWEST, length_of, stretched

COUNTS = (1.0, 2.0, 0.5)  # times a tempo
UPBEAT = 0.5  # beats before a bar in which the sound of that bar may begin
UNHEARD = 0.005  # seconds by which bars may drift apart until the end, before a song is stretched
TEMPI = (30.0, 300.0)  # beats a minute that may be said


@dataclass(frozen=True)
class Placed:
    """A song as it is used.

    Attributes:
        song: the file.
        beats: of it, as they are counted.
        start: its first used sample; negative: so many zeros come first.
        speed: how many times faster it is played.
    """

    song: SoundFile
    beats: Beats
    start: int
    speed: float

    @property
    def samples(self) -> int:
        """From the start to the end, at its speed."""
        return length_of(self.song.samples - self.start, self.speed)

    @property
    def tempo(self) -> float:
        """Beats a minute, at its speed."""
        return self.beats.tempo * self.speed

    @property
    def sounding(self) -> int:
        """Samples from the start to the end of the last sound, at its speed; all where too much was heard to know."""
        end = min(self.song.samples, round(end_of(self.song.features) * RATE))
        whole = self.song.seconds > LONGEST or end < self.start + RATE
        return self.samples if whole else length_of(end - self.start, self.speed)

    def blocks(self, channels: int, samples: int) -> Iterator[np.ndarray]:
        """Its first samples as they are used, float32 [channels, n] at a time.

        Raises:
            SoundFileError: if the file has changed since it was heard.
        """
        whole = self.song.samples - self.start
        moved = _from(self.song.blocks(channels, self.song.samples), self.start)
        for block in stretched(moved, whole, self.speed):
            yield block[:, :samples]
            samples -= min(samples, block.shape[1])
            if not samples:
                return


def said_beats(text: str) -> Beats:
    """The beats of "120@0.35": 120 beats a minute, and a bar begins after 0.35 seconds.

    Raises:
        ValueError: if it says anything else.
    """
    tempo, _, downbeat = text.partition("@")
    beats = Beats(float(tempo), float(downbeat))
    if not (TEMPI[0] <= beats.tempo <= TEMPI[1] and 0 <= beats.downbeat < 60 * 60 * 2):
        raise ValueError(text)
    return beats


def beats_of(song: SoundFile, option: str) -> Beats:
    """The beats of a song that nobody has said.

    Raises:
        SoundFileError: if there are none, with the option that says them.
    """
    way_out = f"say where its beats are: {option} BPM@SECONDS, the tempo and where a bar begins"
    if song.seconds < SHORTEST:
        raise SoundFileError(
            f"{song.path}: {song.seconds:.2f} seconds are too few to find beats, at least {SHORTEST:.0f} are needed; "
            f"{way_out}"
        )
    found = find_beats(song.features)
    if found.clarity < CLEAR:
        raise SoundFileError(
            f"{song.path}: no steady beat was found, clarity {found.clarity:.2f} of at least {CLEAR}; {way_out}"
        )
    return found


def aligned(songs: Sequence[SoundFile], beats: Sequence[Beats], tempo: str | float) -> list[Placed]:
    """Both songs with their bars on each other.

    Args:
        songs: A and B.
        beats: of both.
        tempo: "a", "b", or beats a minute: the tempo of the result.

    Raises:
        ConfigurationError: if a song would have to be played at less than half or more than twice its speed.
    """
    wanted = beats["ab".index(tempo)].tempo if isinstance(tempo, str) else tempo
    return [_placed(song, each, wanted) for song, each in zip(songs, beats, strict=True)]


def _placed(song: SoundFile, beats: Beats, tempo: float) -> Placed:
    count = min(COUNTS, key=lambda times: abs(np.log(tempo / (times * beats.tempo))))
    counted = Beats(count * beats.tempo, beats.downbeat, beats.clarity, beats.wander)
    speed = tempo / counted.tempo
    if not SLOWEST <= speed <= FASTEST:
        raise ConfigurationError(
            f"--tempo {tempo:g}: {song.path} has {beats.tempo:.1f} beats a minute and would have to be played "
            f"{speed:.2f} times as fast; between {SLOWEST} and {FASTEST:.0f} is possible, choose a closer tempo"
        )
    if abs(speed - 1) * song.seconds < UNHEARD:
        speed = 1.0
    bars = np.floor((begin_of(song.features) + UPBEAT * counted.bar / BEATS - counted.downbeat) / counted.bar)
    return Placed(song, counted, round((counted.downbeat + bars * counted.bar) * RATE), speed)


def _from(blocks: Iterable[np.ndarray], start: int) -> Iterator[np.ndarray]:
    """A sound from a sample on; with zeros before it where that is negative."""
    for block in blocks:
        if start < 0:
            yield np.zeros((len(block), -start), np.float32)
            start = 0
        if start < block.shape[1]:
            yield block[:, start:]
        start = max(0, start - block.shape[1])
