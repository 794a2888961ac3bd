"""How much of a sound survives the tokenizer: signal-to-noise ratio and log-spectral distance on test recordings.

The ratio (dB) is that of the energy of all sounds to the energy of all errors: it counts phases, and loud sounds most.
The distance (dB) is the root mean square over 64 mel bands of the difference of log power, averaged over columns of a
quarter frame: it counts the quiet as much as the loud, and no phases (after Gray and Markel, "Distance measures for
speech processing", 1976, on mel bands; silence lies at -40 dB of the spectrogram's scale).
Floors: silence, for the distance also the mean spectrum of training sounds, and three untrained tokenizers. Ceilings:
the rounding error of 16-bit samples; no distance. Reference: principal components of a frame's samples, fitted on
training frames, as many as the tokens hold numbers.
"""

from __future__ import annotations

import time
from pathlib import Path
from typing import Any

import numpy as np
from scipy.io import wavfile
from sklearn.decomposition import PCA

from sensorium.artifacts import atomic_path
from sensorium.config import parse_section
from sensorium.data.recording import RecordingSet
from sensorium.data.sample_formats import FULL_SCALE, LARGEST_SAMPLE, to_sounds
from sensorium.evaluation import figures
from sensorium.evaluation.harness import FLOOR_SEEDS, Bench, WindowPool, arguments, require
from sensorium.evaluation.scores import mean
from sensorium.evaluation.statistics import measure, write_result
from sensorium.generation.audio_tokenizer import AudioTokenizer
from sensorium.generation.config import SoundReconstructionConfig
from sensorium.models.load import load
from sensorium.models.spectrogram import LogMel
from sensorium.randomness import stable_seed

REVISION = 1
SIXTEEN_BIT_ERROR = 1 / 12 / FULL_SCALE**2
BANDS = 64
EXAMPLES = 3000  # training frames for the mean spectrum and the components
SHOWN = 4
PAUSE = 0.15  # seconds between sounds that are played


def main(argv: list[str]) -> None:
    """Run `sensorium sound-reconstruction`.

    Raises:
        ArtifactError: if an input does not match its manifest, or the recordings have no sound.
    """
    parser = arguments("sound-reconstruction", __doc__, ("data", "tokenizer"), "the tokenizer")
    parser.add_argument("--sound", required=True, type=Path, metavar="WAV", help="where sounds before and after go")
    args = parser.parse_args(argv)
    began, config = time.monotonic(), parse_section(SoundReconstructionConfig, args.config)
    bench, recordings = Bench.prepare(args), RecordingSet.open(args.data)
    require(recordings, "audio", "leave this evaluation out, or record with sound")
    rate, samples = int(recordings.details["sample_rate"]), int(recordings.details["samples_per_frame"])
    rng = np.random.default_rng(stable_seed(config.seed, "sound_reconstruction"))
    training, pool = (WindowPool(recordings, split, ("audio",), config.frames) for split in ("training", "test"))
    picked = pool.draw(np.ones(len(pool), bool), config.windows, rng)
    seen = training.draw(np.ones(len(training), bool), max(EXAMPLES // config.frames, 1), rng)
    truth = bench.run(pool, picked, lambda batch: to_sounds(batch["audio"]))
    examples = bench.run(training, seen, lambda batch: to_sounds(batch["audio"]))
    spectrogram = LogMel(BANDS, rate, samples).to(bench.device)

    def reconstructed(seed: int | None) -> np.ndarray:
        tokenizer = load(AudioTokenizer, args.tokenizer, seed).to(bench.device)
        return bench.map(lambda rows: tokenizer(rows)[0].clamp(-1, 1), truth)

    def spectra(waves: np.ndarray) -> np.ndarray:
        return 20 * bench.map(spectrogram, waves)  # LogMel counts in units of 20 dB

    tokenizer = load(AudioTokenizer, args.tokenizer).to(bench.device)
    numbers = tokenizer.tokens * tokenizer.channels
    judged = reconstructed(args.untrained_seed)
    floors = {"silence": np.zeros_like(truth)}
    floors |= {f"untrained {number}": reconstructed(seed) for number, seed in enumerate(FLOOR_SEEDS)}
    references = principal_components(examples.reshape(-1, samples), truth, numbers)
    groups, wanted = pool.recording[picked].tolist(), spectra(truth)
    average = spectra(examples).mean((0, 2), keepdims=True)[0]
    distances = {name: distance(wanted, spectra(waves)) for name, waves in (floors | references).items()}

    metrics: dict[str, dict[str, Any]] = {
        "snr": measure(
            "snr",
            energies(truth, judged),
            groups,
            statistic=ratio,
            floors={name: energies(truth, waves) for name, waves in floors.items()},
            ceilings={"16 bits": np.stack([energies(truth, truth)[:, 0], np.full(len(truth), SIXTEEN_BIT_ERROR)], 1)},
            references={name: energies(truth, waves) for name, waves in references.items()},
            seed=config.seed,
        ),
        "log_spectral_distance": measure(
            "log_spectral_distance",
            distance(wanted, spectra(judged)),
            groups,
            statistic=mean,
            floors={name: distances[name] for name in floors}
            | {"mean spectrum": distance(wanted, np.broadcast_to(average, wanted.shape))},
            ceilings={"no distance": 0.0},
            references={name: distances[name] for name in references},
            higher_is_better=False,
            seed=config.seed,
        ),
    }
    shown = np.argsort(-energies(truth, truth)[:, 0], kind="stable")[: len(truth) // 2]  # the louder half
    shown = shown[np.linspace(0, len(shown) - 1, min(SHOWN, len(shown))).astype(int)]
    rows = {"truth": truth[shown], "tokenizer": judged[shown]}
    rows |= {name: waves[shown] for name, waves in references.items()}
    figures.spectrograms(args.figure, rows, rate, f"Reconstruction from {numbers} numbers a frame (-90 to -20 dB)")
    write_sounds(args.sound, truth[shown], judged[shown], rate)
    inputs = {"data": args.data, "tokenizer": args.tokenizer}
    write_result(
        args.output, "sound_reconstruction", metrics, inputs, time.monotonic() - began, numbers_a_frame=numbers
    )


def energies(truth: np.ndarray, other: np.ndarray) -> np.ndarray:
    """Mean square of each sound and of its error, float64 [n, 2]."""
    return np.stack([(part**2).mean(1, dtype=np.float64) for part in (truth, truth - other)], 1)


def ratio(samples: np.ndarray, weights: np.ndarray) -> float:
    """Energy of all sounds to that of all errors in dB; samples [n, 2] hold the two."""
    signal, noise = np.maximum(weights @ samples, 1e-12)
    return float(10 * np.log10(signal / noise))


def distance(wanted: np.ndarray, other: np.ndarray) -> np.ndarray:
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
