"""How much of a frame survives the tokenizer: PSNR and SSIM on frames of test recordings.

PSNR is that of the mean squared error over frames, in dB on a 0..1 scale. SSIM as in `scores.ssim`.
Floors: the mean training image; three untrained tokenizers; and known codes in as many bits as the tokens take as
they are written: principal components of training frames, as many as the tokens hold numbers and not quantised, or
twice as many in 8 bits each; JPEG and WebP, whose headers, equal for all frames, are not counted. Ceiling: the frames
rounded to 8 bits, whose error of 1/12 of a squared step makes 58.9 dB; no 8-bit recording holds more.
A tokenizer of clips sees the frames before, as it does in training; the last frame of a clip is judged.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from sensorium.data.sample_formats import WHITE, to_images
from sensorium.evaluation import figures
from sensorium.evaluation.baselines.codecs import jpeg, principal_components, quantised_components, webp
from sensorium.evaluation.contract import DATA, Evaluation, Input, Result
from sensorium.evaluation.harness import Bench, WindowPool
from sensorium.evaluation.scores import mean, psnr, squared_error, ssim
from sensorium.evaluation.statistics import measure
from sensorium.generation.config import PCA_FRAMES, ReconstructionConfig
from sensorium.generation.tokenizers import VideoTokenizer
from sensorium.randomness import stable_seed

REVISION = 3
EVALUATION = Evaluation(
    __name__, ReconstructionConfig, inputs=(DATA, Input("tokenizer", "tokenizers/video")), control="the tokenizer"
)
main = EVALUATION.main

EIGHT_BIT_ERROR = 1 / 12 / WHITE**2
SHOWN = 8
BYTES_A_NUMBER = 2  # of a latent as it is written, in float16

Images = dict[str, np.ndarray]  # name -> [n, 3, H, W]


def judge(bench: Bench, config: ReconstructionConfig) -> Result:
    """Compare test frames with their reconstructions, beside floors and other codecs."""
    tokenizer = bench.parts.load(VideoTokenizer)
    rng = np.random.default_rng(stable_seed(config.seed, "reconstruction"))
    training = WindowPool(bench.parts.recordings(), "training", ("video",), 1)
    pool = WindowPool(bench.parts.recordings(), "test", ("video",), tokenizer.frames)
    picked = pool.draw(np.ones(len(pool), bool), config.frames, rng)
    fitted = training.draw(np.ones(len(training), bool), PCA_FRAMES, rng)
    clips = bench.run(pool, picked, lambda batch: to_images(batch["video"]))
    examples = bench.run(training, fitted, lambda batch: to_images(batch["video"][:, 0]))
    truth = clips[:, -1]

    def reconstruct(seed: int | None) -> np.ndarray:
        judged = bench.parts.load(VideoTokenizer, seed)
        return bench.map(lambda frames: judged(frames)[0][:, -1].clamp(0, 1), clips)

    numbers = tokenizer.tokens * tokenizer.channels
    reconstructed = reconstruct(bench.untrained_seed)
    floors = {"mean image": np.broadcast_to(examples.mean(0, keepdims=True), truth.shape)}
    floors |= bench.untrained(reconstruct)
    size = numbers * BYTES_A_NUMBER
    codes = principal_components(examples, truth, numbers) | quantised_components(examples, truth, size)
    codes |= {f"JPEG in {size} bytes": jpeg(truth, size), f"WebP in {size} bytes": webp(truth, size)}
    groups, fitted_on = pool.recording[picked].tolist(), set(training.recording[fitted])
    metrics = metrics_of(truth, reconstructed, floors | codes, groups, fitted_on, config.seed)

    shown = np.linspace(0, len(truth) - 1, SHOWN).astype(int)
    columns = {"truth": truth, "tokenizer": reconstructed, "mean image": floors["mean image"], **codes}
    rows = {name: images[shown] for name, images in columns.items()}
    title = f"Reconstruction from {numbers} numbers a frame"
    return Result(metrics, lambda path: figures.image_grid(path, rows, title), {"numbers_a_frame": numbers})


def metrics_of(
    truth: np.ndarray, reconstructed: np.ndarray, floors: Images, groups: list[str], fitted_on: set[str], seed: int
) -> dict[str, dict[str, Any]]:
    """`psnr` and `ssim`."""
    ceilings: dict[str, float | np.ndarray] = {"psnr": np.full(len(truth), EIGHT_BIT_ERROR), "ssim": 1.0}
    scores = {"psnr": (squared_error, psnr), "ssim": (ssim, mean)}
    return {
        name: measure(
            name,
            score(truth, reconstructed),
            groups,
            statistic=statistic,
            fitted_on=fitted_on,
            baselines={key: score(truth, other) for key, other in floors.items()},
            ceilings={"8 bits": ceilings[name]},
            seed=seed,
        )
        for name, (score, statistic) in scores.items()
    }
