"""How much of a sound survives the tokenizer: signal-to-noise ratio and log-spectral distance on test recordings.

The ratio (dB) is that of the energy of all sounds to the energy of all errors; it depends on phases, and on loud sounds
most. The distance (dB) is the root mean square over 64 mel bands of the difference of log power, averaged over columns
of a quarter frame; quiet sounds count as much as loud ones, and phases do not (after Gray and Markel, "Distance
measures for speech processing", 1976, on mel bands; silence lies at -40 dB of the spectrogram's scale).
Floors: silence, for the distance also the mean spectrum of training sounds, and three untrained tokenizers; in as many
bits as the tokens take on disk the largest cosine coefficients of each frame, alone and with noise in bands, and Opus
at a constant rate, where it is installed; as many principal components of training frames, not quantised.
Ceilings: the rounding error of 16-bit samples; no distance.
Tokens of fixed bands are judged with the voices that are carried beside them, and the codes have as many bits as both
tiers take (`code_length`); references: the tokens alone, which are what is dreamed. Such a tokenizer has no weights, so
there are no untrained ones, and the negative control decodes the codes of other windows.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, field
from functools import partial
from typing import Any

import numpy as np
from sklearn.decomposition import PCA

from sensorium.data.sample_formats import FULL_SCALE, to_sounds
from sensorium.evaluation import figures
from sensorium.evaluation.baselines.opus import available, opus
from sensorium.evaluation.baselines.sounds import cosine_codes
from sensorium.evaluation.contract import DATA, Evaluation, Input, Output, Result
from sensorium.evaluation.harness import Bench, WindowPool, require
from sensorium.evaluation.sample import Sample
from sensorium.evaluation.scores import mean
from sensorium.evaluation.statistics import measure
from sensorium.generation.audio_tokenizer import AudioTokenizer
from sensorium.generation.config import SoundReconstructionConfig
from sensorium.generation.evaluation.played import loud_examples, write_sounds
from sensorium.generation.evaluation.sound_tiers import judge_tiers
from sensorium.models.spectrogram import LogMel
from sensorium.randomness import stable_seed

REVISION = 3
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
BITS_A_NUMBER = 16  # of a latent on disk
EXAMPLES = 3000  # training frames for the mean spectrum and the components

Waves = dict[str, np.ndarray]  # name -> [n, S]


def judge(bench: Bench, config: SoundReconstructionConfig) -> Result:
    """Compare test sounds with their reconstructions, beside floors and principal components."""
    recordings, tokenizer = bench.parts.recordings(), bench.parts.load(AudioTokenizer)
    require(recordings, "audio", "leave this evaluation out, or record with sound")
    rate, samples = int(recordings.details["sample_rate"]), int(recordings.details["samples_per_frame"])
    rng = np.random.default_rng(stable_seed(config.seed, "sound_reconstruction"))
    training, pool = (WindowPool(recordings, split, ("audio",), config.frames) for split in ("training", "test"))
    test = pool.sample(config.windows, rng)
    examples = training.sample(max(EXAMPLES // config.frames, 1), rng)
    truth, heard = (bench.map(to_sounds, sample["audio"]) for sample in (test, examples))

    numbers = tokenizer.tokens * tokenizer.channels
    found = through_bands if tokenizer.bands else through_learned
    judged = found(bench, tokenizer, truth, heard)
    codes = {
        **coded(truth, rate, samples, judged.bits),
        **principal_components(heard.reshape(-1, samples), truth, numbers),
    }
    floors: Waves = {"silence": np.zeros_like(truth), **judged.untrained, **codes}
    spectra = Spectra(bench, rate, samples)
    metrics = {
        "snr": snr_metric(truth, judged, floors, test, examples, config.seed),
        "log_spectral_distance": distance_metric(spectra, truth, judged, floors, heard, test, examples, config.seed),
    }
    shown = loud_examples(truth)
    compared = {"truth": truth, "tokenizer": judged.waves, **judged.references, **codes}
    rows = {name.replace(", ", ",\n"): waves[shown] for name, waves in compared.items()}
    title = f"Reconstruction from {numbers} numbers, {judged.bits} bits, a frame (-90 to -20 dB)"
    return Result(
        metrics,
        lambda path: figures.spectrograms(path, rows, rate, title),
        {"numbers_a_frame": numbers, "bits_a_frame": judged.bits, **judged.notes},
        files={"sound": partial(write_sounds, truth=rows["truth"], other=rows["tokenizer"], rate=rate)},
    )


@dataclass(frozen=True)
class Judged:
    """Test sounds after the tokenizer.

    Attributes:
        waves: [n, S].
        bits: a frame.
        untrained: floors.
        references: other sounds [n, S] worth knowing.
        notes: for the result.
    """

    waves: np.ndarray
    bits: int
    untrained: Waves = field(default_factory=dict)
    references: Waves = field(default_factory=dict)
    notes: dict[str, Any] = field(default_factory=dict)


def through_learned(bench: Bench, tokenizer: AudioTokenizer, truth: np.ndarray, heard: np.ndarray) -> Judged:
    """Sounds [n, S] through the tokens, as they are on disk."""

    def reconstruct(seed: int | None) -> np.ndarray:
        judged = bench.parts.load(AudioTokenizer, seed)
        return bench.map(lambda rows: judged(rows)[0].clamp(-1, 1), truth)

    bits = tokenizer.tokens * tokenizer.channels * BITS_A_NUMBER
    return Judged(reconstruct(bench.untrained_seed), bits, bench.untrained(reconstruct))


def through_bands(bench: Bench, tokenizer: AudioTokenizer, truth: np.ndarray, heard: np.ndarray) -> Judged:
    """Sounds [n, S] through both tiers, in as many bits as an arithmetic coder would take."""
    assert tokenizer.bands is not None
    tiers = judge_tiers(bench, tokenizer.bands, truth, heard)
    both, alone = tiers.both, tiers.tokens
    if bench.untrained_seed is not None:
        others = np.roll(np.arange(len(truth)), 1 + bench.untrained_seed % (len(truth) - 1))
        both, alone = both[others], alone[others]
    notes = {"bits": tiers.bits, "onset_f1": tiers.onset_f1}
    return Judged(both, math.ceil(sum(tiers.bits.values())), references={"tokens alone": alone}, notes=notes)


def coded(truth: np.ndarray, rate: int, samples: int, bits: int) -> Waves:
    """Sounds [n, S] after each code that takes at most `bits` for each frame of `samples` samples."""
    heard = {name: code(truth) for name, code in cosine_codes(samples, bits, rate).items()}
    each_second = bits * rate / samples
    if available(rate, each_second):
        heard[f"Opus, {each_second / 1000:.3g} kbit/s"] = opus(truth, rate, each_second)[0]
    return heard


class Spectra:
    """Log-mel spectra of sounds in dB, [n, S] -> [n, bands, columns]."""

    def __init__(self, bench: Bench, rate: int, samples: int) -> None:
        self._bench, self._spectrogram = bench, LogMel(BANDS, rate, samples).to(bench.device)

    def __call__(self, waves: np.ndarray) -> np.ndarray:
        """The spectra of some sounds."""
        return 20 * self._bench.map(self._spectrogram, waves)  # LogMel counts in units of 20 dB


def snr_metric(
    truth: np.ndarray, judged: Judged, floors: Waves, test: Sample, examples: Sample, seed: int
) -> dict[str, Any]:
    """Signal-to-noise ratio; principal components were fitted on `examples`."""
    return measure(
        "snr",
        energies(truth, judged.waves),
        test.names,
        statistic=ratio,
        fitted_on=examples.names,
        baselines={name: energies(truth, waves) for name, waves in floors.items()},
        references={name: energies(truth, waves) for name, waves in judged.references.items()},
        ceilings={"16 bits": np.stack([energies(truth, truth)[:, 0], np.full(len(truth), SIXTEEN_BIT_ERROR)], 1)},
        seed=seed,
    )


def distance_metric(
    spectra: Spectra,
    truth: np.ndarray,
    judged: Judged,
    floors: Waves,
    heard: np.ndarray,
    test: Sample,
    examples: Sample,
    seed: int,
) -> dict[str, Any]:
    """Log-spectral distance; `heard` are the sounds of the examples, whose mean spectrum is one more floor."""
    wanted, average = spectra(truth), spectra(heard).mean((0, 2), keepdims=True)[0]
    distances = {name: spectral_distance(wanted, spectra(waves)) for name, waves in floors.items()}
    distances["mean spectrum"] = spectral_distance(wanted, np.broadcast_to(average, wanted.shape))
    return measure(
        "log_spectral_distance",
        spectral_distance(wanted, spectra(judged.waves)),
        test.names,
        statistic=mean,
        fitted_on=examples.names,
        baselines=distances,
        references={name: spectral_distance(wanted, spectra(waves)) for name, waves in judged.references.items()},
        ceilings={"no distance": 0.0},
        higher_is_better=False,
        seed=seed,
    )


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
