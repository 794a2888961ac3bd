"""Songs on a soundfont: notes of General MIDI, played by tinysoundfont, which is an optional package."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np

from sensorium.config import ConfigurationError
from sensorium.music.config import BEATS, RATE
from sensorium.music.midi import DRUM_CHANNEL, MidiNote
from sensorium.music.rendering import beat_samples, levelled

try:
    import tinysoundfont
except ModuleNotFoundError:
    raise ConfigurationError(
        "songs on a soundfont: the package tinysoundfont is not installed; install it with: pip install "
        "--no-deps tinysoundfont"  # it asks for pyaudio, which is needed to play aloud and to be built
    ) from None

DRUM_BANK, STANDARD = 128, 0
KITS, INSTRUMENTS = 64, 128  # numbers that are asked for
TAIL = RATE // 10  # samples: a player is silent when so many are zero
LONGEST_TAIL = 300  # such pieces


class SoundFont:
    """A soundfont.

    Attributes:
        path: of the file.
        kits: presets of its drums.

    Raises:
        ConfigurationError: if it cannot be read, or has no drums or no instruments.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        self._synth = tinysoundfont.Synth(samplerate=RATE)
        try:
            self._font = self._synth.sfload(str(path))
        except tinysoundfont.SoundFontException as error:
            raise ConfigurationError(f"{path}: no soundfont that can be read: {error}") from None
        self.kits = [number for number in range(KITS) if self._has(DRUM_BANK, number)]
        self._presets = {number for number in range(INSTRUMENTS) if self._has(0, number)}
        if not self.kits or not self._presets:
            raise ConfigurationError(
                f"{path}: {len(self.kits)} drum kits and {len(self._presets)} "
                "instruments of General MIDI; name a soundfont that has both"
            )

    def _has(self, bank: int, number: int) -> bool:
        return self._synth.sfpreset_name(self._font, bank, number) is not None

    def stem(self, notes: Sequence[MidiNote], start: float, beat: int, samples: int) -> np.ndarray:
        """Notes as sound, float32 [samples], the mean of both channels.

        Args:
            notes: all to be played; an instrument that the font lacks is its first one.
            start: beat at which the sound begins.
            beat: samples of one.
            samples: of the sound; what rings on is not heard.
        """
        self._silence()
        events = []  # ends come before beginnings of the same sample
        for note in notes:
            began = max(0, round((note.start - start) * beat))
            events.append((began, 1, note))
            events.append((max(began + 1, round((note.start + note.length - start) * beat)), 0, note))
        sound, done = np.zeros(samples, np.float32), 0
        for place, begins, note in sorted(events, key=lambda event: event[:2]):
            stop = min(place, samples)
            if stop > done:
                sound[done:stop] = self._heard(stop - done)
                done = stop
            if place >= samples:
                break
            if begins:
                self._choose(note)
                self._synth.noteon(note.channel, note.pitch, note.velocity)
            else:
                self._synth.noteoff(note.channel, note.pitch)
        if done < samples:
            sound[done:] = self._heard(samples - done)
        return sound

    def _choose(self, note: MidiNote) -> None:
        drums = note.channel == DRUM_CHANNEL
        known, bank = (self.kits, DRUM_BANK) if drums else (self._presets, 0)
        preset = note.program if note.program in known else min(known)
        self._synth.program_select(note.channel, self._font, bank, preset, drums)

    def _heard(self, samples: int) -> np.ndarray:
        found = np.frombuffer(self._synth.generate(samples), np.float32)
        return np.asarray(found.reshape(samples, 2).mean(1))

    def _silence(self) -> None:
        """Play until nothing sounds: the tails of one stem would begin the next one."""
        self._synth.notes_off()
        for _ in range(LONGEST_TAIL):
            if not self._heard(TAIL).any():
                return
        raise ConfigurationError(f"{self.path}: a note does not end; choose another one")


def render_notes(
    player: SoundFont, notes: Sequence[MidiNote], tempo: float, first: int, bars: int, seed: int
) -> dict[str, np.ndarray]:
    """Bars [first, first + bars) of a song as the fields of a set: stems, int16 [S], and the sample of each beat."""
    rng, beat, start = np.random.default_rng(seed), beat_samples(tempo), BEATS * first
    samples = BEATS * bars * beat
    heard = [note for note in notes if start <= note.start < start + BEATS * bars]
    stems = {}
    for name, drums in (("drums", True), ("harmony", False)):
        own = [note for note in heard if (note.channel == DRUM_CHANNEL) == drums]
        stems[name] = levelled(player.stem(own, start, beat, samples), rng)
    return {**stems, "beats": np.arange(0, samples, beat, dtype=np.int32)}
