"""Sound of the playroom: each body is a bank of damped modes, struck by its impacts.

Modal synthesis (van den Doel and Pai, The Sounds of Physical Shapes, 1998): an impulse sets every mode k of a body
ringing as a_k exp(-t / d_k) sin(2 pi f_k t). One two-pole filter a mode plays all the strikes of a recording.
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
DULLEST = 0.95  # largest pole of the background's low-pass: 0 is white, this is a distant rumble
DOMINANCE = 3.0  # how much louder an impact must be than all else to give a frame its label
LABELLED = 0.08  # weakest amplitude that gives a label
SHORTEST = 240  # samples of an impact that must lie within its frame to give it a label


class Loudness:
    """Amplitude of each impact, one after the other: proportional to the change of velocity.

    What would exceed the headroom that still-ringing bodies leave is scaled into it, so the sum cannot clip;
    only the past counts, so a later change of the scene leaves earlier sound alone.
    """

    def __init__(self, scene: Scene) -> None:
        self._ringing, self._last = np.zeros(len(scene.bodies)), 0.0
        self._decays = np.array([PROPERTIES[body.material].decay if body else 1.0 for body in scene.bodies])

    def of(self, impacts: Sequence[Impact]) -> np.ndarray:
        """Amplitudes float64 [E] of impacts that follow those given before."""
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
    """The sound of a scene, some frames at a time: its background, and every body that was struck."""

    def __init__(self, scene: Scene) -> None:
        self._background = _Background(np.random.default_rng([*scene.noise_seed, 0]))
        self._bells = {slot: _Bell(body) for slot, body in enumerate(scene.bodies) if body is not None}
        self._frame = 0

    def play(self, impacts: Sequence[Impact], amplitudes: np.ndarray, frames: int = 1) -> np.ndarray:
        """Mono sound of the next frames, int16 [frames * SAMPLES_PER_FRAME], with the impacts that fall into them."""
        first, samples = self._frame * SUBSTEPS, frames * SAMPLES_PER_FRAME
        self._frame += frames
        sound = self._background.play(samples)
        for slot, bell in self._bells.items():
            struck = [index for index, impact in enumerate(impacts) if impact.body == slot]
            strikes = np.zeros(samples)
            np.add.at(strikes, [(impacts[i].step - first) * SAMPLES_PER_STEP for i in struck], amplitudes[struck])
            sound += bell.ring(strikes)
        return np.round(sound * LARGEST_SAMPLE).astype(np.int16)


class _Background:
    """Noise of the room and its microphone: each recording has a level and a colour of its own.

    It says nothing of what happens; a listener has to learn to hear through it.
    """

    def __init__(self, rng: np.random.Generator) -> None:
        level = np.exp(rng.uniform(np.log(QUIETEST), np.log(NOISIEST)))
        pole = rng.uniform(0, DULLEST)
        self._rng, self._filter = rng, _Filter([level * np.sqrt(1 - pole**2)], [1.0, -pole])

    def play(self, samples: int) -> np.ndarray:
        """The noise of the next samples, float64 [samples]."""
        return self._filter(self._rng.standard_normal(samples))


class _Filter:
    """A linear filter that goes on where it stopped."""

    def __init__(self, numerator: Sequence[float] | np.ndarray, denominator: Sequence[float]) -> None:
        self._coefficients = numerator, denominator
        self._state = np.zeros(max(len(numerator), len(denominator)) - 1)

    def __call__(self, samples: np.ndarray) -> np.ndarray:
        filtered, self._state = lfilter(*self._coefficients, samples, zi=self._state)
        return filtered


class _Bell:
    """The sound of one body: never above the running sum of its strikes."""

    def __init__(self, body: Body) -> None:
        material = PROPERTIES[body.material]
        pulse = np.hanning(max(int(material.contact * SAMPLE_RATE), 1) + 2)[1:-1]
        self._struck = False
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

    def ring(self, strikes: np.ndarray) -> np.ndarray:
        """Sound of the next samples, float64 [S], after these strikes."""
        sound = np.zeros(len(strikes))
        self._struck = self._struck or bool(strikes.any())
        if self._struck:
            struck = self._contact(strikes)
            for weight, mode in self._modes:
                sound += weight * mode(struck)
        return sound


def labels(scene: Scene, impacts: tuple[Impact, ...], amplitudes: np.ndarray, frames: int) -> np.ndarray:
    """Material of the impact that dominates each frame, int64 [T]; -1 where none does.

    An impact dominates when its material is `DOMINANCE` times louder than what other materials strike in the frame
    and what still rings from before.
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
    keep = np.array([np.exp(-1 / (PROPERTIES[name].decay * FRAMES_PER_SECOND)) for name in MATERIALS])
    ringing = np.zeros(len(MATERIALS))
    for frame in range(frames):
        best = int(early[frame].argmax())
        others = ringing + fresh[frame]
        others[best] = 0.0
        if early[frame, best] >= max(LABELLED, DOMINANCE * others.sum()):
            found[frame] = best
        ringing = (ringing + fresh[frame]) * keep
    return found
