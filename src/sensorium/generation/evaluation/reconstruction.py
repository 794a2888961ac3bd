"""How much of a frame survives the tokenizer: PSNR and SSIM on frames of test recordings.

PSNR is that of the mean squared error over frames, in dB on a 0..1 scale. SSIM as in `scores.ssim`.
Floors: the mean training image, and three untrained tokenizers. Ceiling: the frames rounded to 8 bits, whose
error of 1/12 of a squared step makes 58.9 dB; no 8-bit recording tells more. References: principal components fitted
on training frames, as many as the tokens hold numbers (they are optimal among linear codes, and not quantised); and
JPEG in as many bits as the tokens take on disk, 16 a number. Its headers, equal for all frames, are not counted.
A tokenizer of clips sees the frames before, as it does in training; what is judged is the last frame of a clip.
"""

from __future__ import annotations

import time
from typing import Any

import numpy as np

from sensorium.config import parse_section
from sensorium.data.recording import RecordingSet
from sensorium.data.sample_formats import WHITE, to_images
from sensorium.evaluation import figures
from sensorium.evaluation.harness import FLOOR_SEEDS, Bench, WindowPool, arguments
from sensorium.evaluation.reference_codecs import jpeg, principal_components
from sensorium.evaluation.scores import mean, psnr, squared_error, ssim
from sensorium.evaluation.statistics import measure, write_result
from sensorium.generation.config import ReconstructionConfig
from sensorium.generation.tokenizers import VideoTokenizer
from sensorium.models.load import load
from sensorium.randomness import stable_seed

REVISION = 2
EIGHT_BIT_ERROR = 1 / 12 / WHITE**2
PCA_FRAMES = 1500
SHOWN = 8
BITS_A_NUMBER = 16  # of a latent on disk


def main(argv: list[str]) -> None:
    """Run `sensorium reconstruction`."""
    args = arguments("reconstruction", __doc__, ("data", "tokenizer"), "the tokenizer").parse_args(argv)
    began, config = time.monotonic(), parse_section(ReconstructionConfig, args.config)
    bench, recordings = Bench.prepare(args), RecordingSet.open(args.data)
    tokenizer = load(VideoTokenizer, args.tokenizer).to(bench.device)
    rng = np.random.default_rng(stable_seed(config.seed, "reconstruction"))
    training = WindowPool(recordings, "training", ("video",), 1)
    pool = WindowPool(recordings, "test", ("video",), tokenizer.frames)
    picked = pool.draw(np.ones(len(pool), bool), config.frames, rng)
    seen = training.draw(np.ones(len(training), bool), PCA_FRAMES, rng)
    clips = bench.run(pool, picked, lambda batch: to_images(batch["video"]))
    truth = clips[:, -1]
    examples = bench.run(training, seen, lambda batch: to_images(batch["video"][:, 0]))

    def reconstructed(seed: int | None) -> np.ndarray:
        judged = load(VideoTokenizer, args.tokenizer, seed).to(bench.device)
        return bench.map(lambda frames: judged(frames)[0][:, -1].clamp(0, 1), clips)

    judged = reconstructed(args.untrained_seed)
    average = np.broadcast_to(examples.mean(0, keepdims=True), truth.shape)
    floors = {"mean image": average} | {f"untrained {n}": reconstructed(seed) for n, seed in enumerate(FLOOR_SEEDS)}
    numbers = tokenizer.tokens * tokenizer.channels
    references = principal_components(examples, truth, numbers)
    references[f"JPEG in {numbers * BITS_A_NUMBER // 8} bytes"] = jpeg(truth, numbers * BITS_A_NUMBER // 8)

    metrics: dict[str, dict[str, Any]] = {}
    groups = pool.recording[picked].tolist()
    for name, score, statistic, ceiling in (
        ("psnr", squared_error, psnr, np.full(len(truth), EIGHT_BIT_ERROR)),
        ("ssim", ssim, mean, 1.0),
    ):
        metrics[name] = measure(
            name,
            score(truth, judged),
            groups,
            statistic=statistic,
            floors={key: score(truth, other) for key, other in floors.items()},
            ceilings={"8 bits": ceiling},
            references={key: score(truth, other) for key, other in references.items()},
            seed=config.seed,
        )
    shown = np.linspace(0, len(truth) - 1, SHOWN).astype(int)
    rows = {"truth": truth[shown], "tokenizer": judged[shown], "mean image": average[shown]}
    rows |= {name: other[shown] for name, other in references.items()}
    figures.image_grid(args.figure, rows, f"Reconstruction from {numbers} numbers a frame")
    inputs = {"data": args.data, "tokenizer": args.tokenizer}
    write_result(args.output, "reconstruction", metrics, inputs, time.monotonic() - began, numbers_a_frame=numbers)
