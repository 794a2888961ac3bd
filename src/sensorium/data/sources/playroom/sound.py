"""Sound of the playroom: each body is a bank of damped modes, struck by its impacts.

Modal synthesis (van den Doel and Pai, The Sounds of Physical Shapes, 1998): an impulse sets every mode k of a body
ringing as a_k exp(-t / d_k) sin(2 pi f_k t). One two-pole filter a mode plays all the strikes of a recording.
"""

from __future__ import annotations

import numpy as np
from scipy.signal import lfilter

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


def loudness(scene: Scene, impacts: tuple[Impact, ...]) -> np.ndarray:
    """Amplitude of each impact, float64 [E]: proportional to the change of velocity.

    What would exceed the headroom that still-ringing bodies leave is scaled into it, so the sum cannot clip;
    only the past counts, so a later change of the scene leaves earlier sound alone.
    """
    amplitudes, ringing, last = np.zeros(len(impacts)), np.zeros(len(scene.bodies)), 0.0
    decays = np.array([PROPERTIES[body.material].decay if body else 1.0 for body in scene.bodies])
    for index, impact in enumerate(impacts):
        now = impact.step / (FRAMES_PER_SECOND * SUBSTEPS)
        ringing *= np.exp((last - now) / decays)
        last = now
        free = max(CEILING - float(ringing.sum()), 0.0)
        wanted = impact.speed * LOUDNESS
        amplitudes[index] = min(wanted, 0.6 * free)
        ringing[impact.body] += amplitudes[index]
    return amplitudes


def play(scene: Scene, impacts: tuple[Impact, ...], amplitudes: np.ndarray, frames: int) -> np.ndarray:
    """Mono sound, int16 [frames * SAMPLES_PER_FRAME]."""
    samples = frames * SAMPLES_PER_FRAME
    sound = _background(np.random.default_rng([*scene.noise_seed, 0]), samples)
    for slot, body in enumerate(scene.bodies):
        struck = [index for index, impact in enumerate(impacts) if impact.body == slot]
        if body is not None and struck:
            strikes = np.zeros(samples)
            np.add.at(strikes, [impacts[index].step * SAMPLES_PER_STEP for index in struck], amplitudes[struck])
            sound += _ring(body, strikes)
    return np.round(sound * 32767).astype(np.int16)


def _background(rng: np.random.Generator, samples: int) -> np.ndarray:
    """Noise of the room and its microphone, float64 [samples]: each recording has a level and a colour of its own.

    It says nothing of what happens; a listener has to learn to hear through it.
    """
    level = np.exp(rng.uniform(np.log(QUIETEST), np.log(NOISIEST)))
    pole = rng.uniform(0, DULLEST)
    return lfilter([level * np.sqrt(1 - pole**2)], [1.0, -pole], rng.standard_normal(samples))


def _ring(body: Body, strikes: np.ndarray) -> np.ndarray:
    """The sound of one body, float64 [S], never above the running sum of its strikes."""
    material = PROPERTIES[body.material]
    start = int(np.flatnonzero(strikes)[0])
    pulse = np.hanning(max(int(material.contact * SAMPLE_RATE), 1) + 2)[1:-1]
    struck = np.convolve(strikes[start:], pulse / pulse.sum())[: len(strikes) - start]
    ratios = np.array(material.ratios)
    frequencies = material.pitch * REFERENCE_SIZE / body.size * ratios * body.detune[: len(ratios)]
    weights = np.array(body.strength[: len(ratios)]) * (frequencies < HIGHEST)
    weights /= weights.sum()
    sound = np.zeros(len(strikes))
    for frequency, ratio, weight in zip(frequencies, ratios, weights, strict=True):
        if weight == 0:
            continue
        radius = np.exp(-(1 + material.damping * (ratio - 1)) / (material.decay * SAMPLE_RATE))
        turn = 2 * np.pi * frequency / SAMPLE_RATE
        # impulse response: radius^n sin(n turn)
        poles = [1.0, -2 * radius * np.cos(turn), radius**2]
        sound[start:] += weight * lfilter([0.0, radius * np.sin(turn)], poles, struck)
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
