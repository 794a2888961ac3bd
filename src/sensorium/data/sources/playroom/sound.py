"""The sound of the playroom: each body is a bank of damped modes, excited by its impacts.

Modal synthesis (van den Doel and Pai, The Sounds of Physical Shapes, 1998): an impulse makes every mode k of a body
ring as a_k exp(-t / d_k) sin(2 pi f_k t). A two-pole filter for each mode renders all impacts of a recording.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from scipy.signal import lfilter

from sensorium.data.sample_formats import LARGEST_SAMPLE
from sensorium.data.sources.playroom.materials import MATERIALS, PROPERTIES, REFERENCE_SIZE
from sensorium.data.sources.playroom.physics import FRAMES_PER_SECOND, SUBSTEPS, Impact
from sensorium.data.sources.playroom.scene import Body, Scene

SAMPLE_RATE = 16000
SAMPLES_PER_FRAME = SAMPLE_RATE // FRAMES_PER_SECOND
SAMPLES_PER_STEP = SAMPLES_PER_FRAME // SUBSTEPS
HIGHEST = 7400.0  # Hz; modes above would alias
LOUDNESS = 1 / 200.0  # amplitude for each unit per second of changed velocity
CEILING = 0.9  # no sum of ringing bodies exceeds this amplitude
QUIETEST, NOISIEST = 0.001, 0.01  # root mean square of the background, drawn for each recording
DULLEST = 0.95  # largest pole of the background's low-pass: 0 is white noise, this is a distant rumble
DOMINANCE = 3.0  # by which factor an impact must be louder than all other sound of a frame to label it
LABELLED = 0.08  # smallest amplitude of an impact that labels a frame
SHORTEST = 240  # fewest samples of the impact in its frame, or it does not label it


class Loudness:
    """The amplitude of each impact in turn: proportional to the change of velocity.

    Amplitudes are limited to the headroom that ringing bodies leave, so the sum cannot clip. They depend only on
    earlier impacts, so a later change of the scene does not alter earlier sound.
    """

    def __init__(self, scene: Scene) -> None:
        self._ringing, self._last = np.zeros(len(scene.bodies)), 0.0
        self._decays = np.array([PROPERTIES[body.material].decay if body else 1.0 for body in scene.bodies])

    def of(self, impacts: Sequence[Impact]) -> np.ndarray:
        """Amplitudes float64 [E] of the next impacts, after those of earlier calls."""
        amplitudes = np.zeros(len(impacts))
        for index, impact in enumerate(impacts):
            now = impact.step / (FRAMES_PER_SECOND * SUBSTEPS)
            self._ringing *= np.exp((self._last - now) / self._decays)
            self._last = now
            free = max(CEILING - float(self._ringing.sum()), 0.0)
            wanted = impact.speed * LOUDNESS
            amplitudes[index] = min(wanted, 0.6 * free)
            self._ringing[impact.body] += amplitudes[index]
        return amplitudes


class Synthesiser:
    """The sound of a scene, some frames at a time: its background and its ringing bodies."""

    def __init__(self, scene: Scene) -> None:
        self._background = _Background(np.random.default_rng([*scene.noise_seed, 0]))
        self._voices = {slot: _BodyVoice(body) for slot, body in enumerate(scene.bodies) if body is not None}
        self._frame = 0

    def play(self, impacts: Sequence[Impact], amplitudes: np.ndarray, frames: int = 1) -> np.ndarray:
        """Mono sound of the next frames, int16 [frames * SAMPLES_PER_FRAME], given their impacts."""
        first, samples = self._frame * SUBSTEPS, frames * SAMPLES_PER_FRAME
        self._frame += frames
        sound = self._background.play(samples)
        for slot, voice in self._voices.items():
            own = [index for index, impact in enumerate(impacts) if impact.body == slot]
            impulses = np.zeros(samples)
            np.add.at(impulses, [(impacts[i].step - first) * SAMPLES_PER_STEP for i in own], amplitudes[own])
            sound += voice.ring(impulses)
        return np.round(sound * LARGEST_SAMPLE).astype(np.int16)


class _Background:
    """Noise of the room and the microphone, with a level and a spectrum drawn for each recording.

    It carries no information about the scene; a model has to learn to ignore it.
    """

    def __init__(self, rng: np.random.Generator) -> None:
        level = np.exp(rng.uniform(np.log(QUIETEST), np.log(NOISIEST)))
        pole = rng.uniform(0, DULLEST)
        self._rng, self._filter = rng, _Filter([level * np.sqrt(1 - pole**2)], [1.0, -pole])

    def play(self, samples: int) -> np.ndarray:
        """The noise of the next samples, float64 [samples]."""
        return self._filter(self._rng.standard_normal(samples))


class _Filter:
    """A linear filter that keeps its state between calls."""

    def __init__(self, numerator: Sequence[float] | np.ndarray, denominator: Sequence[float]) -> None:
        self._coefficients = numerator, denominator
        self._state = np.zeros(max(len(numerator), len(denominator)) - 1)

    def __call__(self, samples: np.ndarray) -> np.ndarray:
        filtered, self._state = lfilter(*self._coefficients, samples, zi=self._state)
        return filtered


class _BodyVoice:
    """The sound of one body; its amplitude never exceeds the sum of its impacts so far."""

    def __init__(self, body: Body) -> None:
        material = PROPERTIES[body.material]
        pulse = np.hanning(max(int(material.contact * SAMPLE_RATE), 1) + 2)[1:-1]
        self._rings = False
        self._contact = _Filter(pulse / pulse.sum(), [1.0])
        ratios = np.array(material.ratios)
        frequencies = material.pitch * REFERENCE_SIZE / body.size * ratios * body.detune[: len(ratios)]
        weights = np.array(body.strength[: len(ratios)]) * (frequencies < HIGHEST)
        weights /= weights.sum()
        self._modes = []
        for frequency, ratio, weight in zip(frequencies, ratios, weights, strict=True):
            radius = np.exp(-(1 + material.damping * (ratio - 1)) / (material.decay * SAMPLE_RATE))
            turn = 2 * np.pi * frequency / SAMPLE_RATE
            # impulse response: radius^n sin(n turn)
            poles = [1.0, -2 * radius * np.cos(turn), radius**2]
            if weight > 0:
                self._modes.append((weight, _Filter([0.0, radius * np.sin(turn)], poles)))

    def ring(self, impulses: np.ndarray) -> np.ndarray:
        """Sound of the next samples, float64 [S], given the impulses of impacts at each of them."""
        sound = np.zeros(len(impulses))
        self._rings = self._rings or bool(impulses.any())
        if self._rings:
            contact = self._contact(impulses)
            for weight, mode in self._modes:
                sound += weight * mode(contact)
        return sound


def labels(scene: Scene, impacts: tuple[Impact, ...], amplitudes: np.ndarray, frames: int) -> np.ndarray:
    """Material of the impact that dominates each frame, int64 [T]; -1 where none does.

    An impact dominates if its material is DOMINANCE times louder than the frame's impacts of other materials and the
    bodies that still ring.
    """
    found = np.full(frames, -1, np.int64)
    fresh, early = np.zeros((frames, len(MATERIALS))), np.zeros((frames, len(MATERIALS)))
    for impact, amplitude in zip(impacts, amplitudes, strict=True):
        body = scene.bodies[impact.body]
        if body is None:
            continue
        frame, step = divmod(impact.step, SUBSTEPS)
        kind = MATERIALS.index(body.material)
        fresh[frame, kind] += amplitude
        if SAMPLES_PER_FRAME - step * SAMPLES_PER_STEP >= SHORTEST:
            early[frame, kind] += amplitude
    decay = np.array([np.exp(-1 / (PROPERTIES[name].decay * FRAMES_PER_SECOND)) for name in MATERIALS])
    ringing = np.zeros(len(MATERIALS))
    for frame in range(frames):
        best = int(early[frame].argmax())
        others = ringing + fresh[frame]
        others[best] = 0.0
        if early[frame, best] >= max(LABELLED, DOMINANCE * others.sum()):
            found[frame] = best
        ringing = (ringing + fresh[frame]) * decay
    return found
