"""How much of a sound survives the tokenizer: signal-to-noise ratio and log-spectral distance on test recordings.

The ratio (dB) is that of the energy of all sounds to the energy of all errors; it depends on phases, and on loud sounds
most. The distance (dB) is the root mean square over 64 mel bands of the difference of log power, averaged over columns
of a quarter frame; quiet sounds count as much as loud ones, and phases do not (after Gray and Markel, "Distance
measures for speech processing", 1976, on mel bands; silence lies at -40 dB of the spectrogram's scale).
Floors: silence, for the distance also the mean spectrum of training sounds, and three untrained tokenizers. Ceilings:
the rounding error of 16-bit samples; no distance. Reference: principal components of a frame's samples, fitted on
training frames, as many as the tokens hold numbers.
"""

from __future__ import annotations

from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
from scipy.io import wavfile
from sklearn.decomposition import PCA

from sensorium.artifacts import atomic_path
from sensorium.data.sample_formats import FULL_SCALE, LARGEST_SAMPLE, to_sounds
from sensorium.evaluation import figures
from sensorium.evaluation.contract import DATA, Evaluation, Input, Output, Result
from sensorium.evaluation.harness import Bench, WindowPool, require
from sensorium.evaluation.scores import mean
from sensorium.evaluation.statistics import NOTHING, measure
from sensorium.generation.audio_tokenizer import AudioTokenizer
from sensorium.generation.config import SoundReconstructionConfig
from sensorium.models.spectrogram import LogMel
from sensorium.randomness import stable_seed

REVISION = 1
EVALUATION = Evaluation(
    __name__,
    SoundReconstructionConfig,
    inputs=(DATA, Input("tokenizer", "tokenizers/audio")),
    control="the tokenizer",
    outputs=(Output("sound", "WAV", "where sounds before and after go"),),
)
main = EVALUATION.main

SIXTEEN_BIT_ERROR = 1 / 12 / FULL_SCALE**2
BANDS = 64
EXAMPLES = 3000  # training frames for the mean spectrum and the components
SHOWN = 4
PAUSE = 0.15  # seconds between sounds that are played

Waves = dict[str, np.ndarray]  # name -> [n, S]


def judge(bench: Bench, config: SoundReconstructionConfig) -> Result:
    """Compare test sounds with their reconstructions, beside floors and principal components."""
    recordings, tokenizer = bench.parts.recordings(), bench.parts.load(AudioTokenizer)
    require(recordings, "audio", "leave this evaluation out, or record with sound")
    rate, samples = int(recordings.details["sample_rate"]), int(recordings.details["samples_per_frame"])
    rng = np.random.default_rng(stable_seed(config.seed, "sound_reconstruction"))
    training, pool = (WindowPool(recordings, split, ("audio",), config.frames) for split in ("training", "test"))
    picked = pool.draw(np.ones(len(pool), bool), config.windows, rng)
    fitted = training.draw(np.ones(len(training), bool), max(EXAMPLES // config.frames, 1), rng)
    truth = bench.run(pool, picked, lambda batch: to_sounds(batch["audio"]))
    examples = bench.run(training, fitted, lambda batch: to_sounds(batch["audio"]))

    def reconstruct(seed: int | None) -> np.ndarray:
        judged = bench.parts.load(AudioTokenizer, seed)
        return bench.map(lambda rows: judged(rows)[0].clamp(-1, 1), truth)

    numbers = tokenizer.tokens * tokenizer.channels
    reconstructed = reconstruct(bench.untrained_seed)
    floors: Waves = {"silence": np.zeros_like(truth), **bench.untrained(reconstruct)}
    references = principal_components(examples.reshape(-1, samples), truth, numbers)
    groups = pool.recording[picked].tolist()
    spectra = Spectra(bench, rate, samples)
    metrics = {
        "snr": snr_metric(truth, reconstructed, floors, references, groups, config.seed),
        "log_spectral_distance": distance_metric(
            spectra, truth, reconstructed, floors, references, examples, groups, config.seed
        ),
    }
    shown = loud_examples(truth)
    rows = {name: waves[shown] for name, waves in {"truth": truth, "tokenizer": reconstructed, **references}.items()}
    title = f"Reconstruction from {numbers} numbers a frame (-90 to -20 dB)"
    return Result(
        metrics,
        lambda path: figures.spectrograms(path, rows, rate, title),
        {"numbers_a_frame": numbers},
        files={"sound": partial(write_sounds, truth=rows["truth"], other=rows["tokenizer"], rate=rate)},
    )


class Spectra:
    """Log-mel spectra of sounds in dB, [n, S] -> [n, bands, columns]."""

    def __init__(self, bench: Bench, rate: int, samples: int) -> None:
        self._bench, self._spectrogram = bench, LogMel(BANDS, rate, samples).to(bench.device)

    def __call__(self, waves: np.ndarray) -> np.ndarray:
        """The spectra of some sounds."""
        return 20 * self._bench.map(self._spectrogram, waves)  # LogMel counts in units of 20 dB


def snr_metric(
    truth: np.ndarray, reconstructed: np.ndarray, floors: Waves, references: Waves, groups: list[str], seed: int
) -> dict[str, Any]:
    """Signal-to-noise ratio."""
    return measure(
        "snr",
        energies(truth, reconstructed),
        groups,
        statistic=ratio,
        fitted_on=NOTHING,
        baselines={name: energies(truth, waves) for name, waves in floors.items()},
        ceilings={"16 bits": np.stack([energies(truth, truth)[:, 0], np.full(len(truth), SIXTEEN_BIT_ERROR)], 1)},
        references={name: energies(truth, waves) for name, waves in references.items()},
        seed=seed,
    )


def distance_metric(
    spectra: Spectra,
    truth: np.ndarray,
    reconstructed: np.ndarray,
    floors: Waves,
    references: Waves,
    examples: np.ndarray,
    groups: list[str],
    seed: int,
) -> dict[str, Any]:
    """Log-spectral distance; `examples` are training sounds, whose mean spectrum is one more floor."""
    wanted, average = spectra(truth), spectra(examples).mean((0, 2), keepdims=True)[0]
    distances = {name: spectral_distance(wanted, spectra(waves)) for name, waves in (floors | references).items()}
    floor = {"mean spectrum": spectral_distance(wanted, np.broadcast_to(average, wanted.shape))}
    return measure(
        "log_spectral_distance",
        spectral_distance(wanted, spectra(reconstructed)),
        groups,
        statistic=mean,
        fitted_on=NOTHING,
        baselines={name: distances[name] for name in floors} | floor,
        ceilings={"no distance": 0.0},
        references={name: distances[name] for name in references},
        higher_is_better=False,
        seed=seed,
    )


def loud_examples(truth: np.ndarray) -> np.ndarray:
    """A few of the louder half of the sounds, int [shown]."""
    louder = np.argsort(-energies(truth, truth)[:, 0], kind="stable")[: len(truth) // 2]
    return louder[np.linspace(0, len(louder) - 1, min(SHOWN, len(louder))).astype(int)]


def energies(truth: np.ndarray, other: np.ndarray) -> np.ndarray:
    """Mean square of each sound and of its error, float64 [n, 2]."""
    return np.stack([(part**2).mean(1, dtype=np.float64) for part in (truth, truth - other)], 1)


def ratio(samples: np.ndarray, weights: np.ndarray) -> float:
    """Energy of all sounds to that of all errors in dB; samples [n, 2] hold the two."""
    signal, noise = np.maximum(weights @ samples, 1e-12)
    return float(10 * np.log10(signal / noise))


def spectral_distance(wanted: np.ndarray, other: np.ndarray) -> np.ndarray:
    """Log-spectral distance of each sound, dB; spectra [n, bands, columns] in dB -> float64 [n]."""
    return np.sqrt(((wanted - other) ** 2).mean(1, dtype=np.float64)).mean(1)


def principal_components(examples: np.ndarray, truth: np.ndarray, numbers: int) -> dict[str, np.ndarray]:
    """Sounds [n, S] through `numbers` components of example frames [k, samples]; nothing if these are too few."""
    if numbers >= min(examples.shape):
        return {}
    code = PCA(numbers, svd_solver="randomized", iterated_power=2, random_state=0).fit(examples)
    back = code.inverse_transform(code.transform(truth.reshape(-1, examples.shape[1])))
    return {f"{numbers} principal components": back.reshape(truth.shape).astype(np.float32)}


def write_sounds(path: Path, truth: np.ndarray, other: np.ndarray, rate: int) -> None:
    """A WAV file of each true sound [S] followed by the other one."""
    pause = np.zeros(int(PAUSE * rate), np.float32)
    played = np.concatenate(
        [part for pair in zip(truth, other, strict=True) for sound in pair for part in (sound, pause)]
    )
    with atomic_path(path) as temporary:
        wavfile.write(temporary, rate, np.round(LARGEST_SAMPLE * played.clip(-1, 1)).astype(np.int16))
