"""A stand-in for the package tinysoundfont: sines for instruments, noise for drums, with tails."""

from __future__ import annotations

import numpy as np


class SoundFontException(Exception):
    """What the package raises."""


class Synth:
    """Three drum kits and four instruments; a file that does not begin with "font" cannot be read."""

    def __init__(self, samplerate: int) -> None:
        self.rate, self.voices, self.chosen, self.time = samplerate, [], {}, 0
        self.choices: list[tuple[int, int, int, bool]] = []

    def sfload(self, path: str) -> int:
        """The number of a font."""
        with open(path, "rb") as file:
            content = file.read()
        if not content.startswith(b"font"):
            raise SoundFontException("RIFF chunk not found")
        self.drums, self.endless = b"drumless" not in content, b"endless" in content
        return 5

    def sfpreset_name(self, font: int, bank: int, preset: int) -> str | None:
        """Of a preset that there is."""
        known = {128: (0, 8, 16) if self.drums else (), 0: (0, 33, 48, 80)}[bank]
        return f"preset {preset}" if preset in known and font == 5 else None

    def program_select(self, channel: int, font: int, bank: int, preset: int, drums: bool) -> None:
        """Choose a preset."""
        assert self.sfpreset_name(font, bank, preset)
        self.chosen[channel] = preset, drums
        self.choices.append((channel, bank, preset, drums))

    def noteon(self, channel: int, key: int, velocity: int) -> None:
        """Begin a note."""
        self.voices.append([channel, key, velocity / 127, 0, None, *self.chosen[channel]])

    def noteoff(self, channel: int, key: int) -> None:
        """It dies away in a fifth of a second."""
        for voice in self.voices:
            if voice[:2] == [channel, key] and voice[4] is None:
                voice[4] = voice[3]
                return

    def notes_off(self) -> None:
        """All end."""
        for voice in self.voices:
            voice[4] = voice[3] if voice[4] is None else voice[4]

    def generate(self, samples: int) -> memoryview:
        """Stereo, interleaved."""
        sound = np.zeros(samples, np.float32)
        for voice in self.voices:
            _, key, loud, age, ended, preset, drums = voice
            time = np.arange(age, age + samples)
            level = 1.0 if ended is None or self.endless else np.clip(1 - (time - ended) / (self.rate / 5), 0, 1)
            wave = np.sin(2 * np.pi * 440 * 2 ** ((key - 69) / 12) * time / self.rate + 0.5 * (preset % 3))
            wave = np.sin(1e4 * np.sin(7.1 * time)) * np.exp(-time / 2000) if drums else wave
            sound += (0.1 * loud * level * wave).astype(np.float32)
            voice[3] = age + samples
        self.voices = [v for v in self.voices if self.endless or v[4] is None or v[3] - v[4] < self.rate / 5]
        return memoryview(np.repeat(sound, 2).tobytes())
