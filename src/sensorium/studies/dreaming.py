"""What does each part of the dynamics bring to dreams? Trained without it, judged as the whole is, over some seeds.

Each seed has recordings of its own; each of its trainings begins with the same weights where the shapes are the same.
Sight and body are trained without sound. The dreams are judged by `rollout` and `control`, on test recordings. The
floor of a metric is the best of all trainings that lack one part, so the whole passes where every part is needed for
it. The control is an untrained network in place of the whole.
"""

from __future__ import annotations

import time
from concurrent.futures import ProcessPoolExecutor
from functools import partial
from itertools import product
from multiprocessing import get_context
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import numpy as np
import torch

from sensorium.artifacts import read_json
from sensorium.config import Section, canonical_json
from sensorium.evaluation.statistics import baseline_values, measure_over_seeds
from sensorium.generation import train_dynamics
from sensorium.generation.evaluation import control, rollout
from sensorium.orphans import end_with_parent
from sensorium.progress import track
from sensorium.studies.dreaming_config import WHOLE, DreamingConfig
from sensorium.studies.findings import Cell, Findings, Table, estimate
from sensorium.studies.recorded import DEVICE, make_tokens, record, seeded

REVISION = 1
METRICS = ("psnr_mean", "hand_held", "hand_and_bodies")
SECONDS, BODIES = "CPU seconds", "bodies_held"
SCORES = ("psnr_1", "psnr_mean", "psnr_last", "hand_held", "hand_near", "felt_held", BODIES, "hand_and_bodies")
UNTRAINED, CEILING = "untrained ", "ceiling "
Life = dict[str, float]  # score -> value; with UNTRAINED or CEILING before it, that of the evaluation's own


def run(config: DreamingConfig) -> Findings:
    """Train and judge, over all seeds: as many at once as there are threads, since each uses one."""
    with TemporaryDirectory() as place:
        places = {seed: Path(place) / str(seed) for seed in config.all_seeds()}
        for seed, folder in places.items():
            record(config.data, seed, folder / "data")
        jobs = list(product(config.all_seeds(), config.trained()))
        spawned = get_context("spawn")  # a fork of torch's threads would hang
        with ProcessPoolExecutor(torch.get_num_threads(), spawned, initializer=end_with_parent) as pool:
            scored = pool.map(partial(score, config, Path(place)), *zip(*jobs, strict=True))
            lives = list(track(scored, "trainings", len(jobs)))
    each = len(config.trained())
    return judge([dict(zip(config.trained(), lives[i : i + each], strict=True)) for i in range(0, len(jobs), each)])


def judge(lives: list[dict[str, Life]]) -> Findings:
    """The findings from the scores of each training of each seed."""

    def scores(name: str, score: str) -> np.ndarray:
        return np.array([life[name][score] for life in lives])

    lacking = [name for name in lives[0] if name != WHOLE]

    def measured(score: str, values: np.ndarray) -> dict[str, Any]:
        return measure_over_seeds(
            score,
            values,
            baselines={name: scores(name, score) for name in lacking},
            ceilings={"attainable": scores(WHOLE, CEILING + score)},
        )

    def cell(name: str, score: str, beside: str | None = None) -> Cell:
        if score not in lives[0][name]:
            return ""
        others = 0.0 if beside is None else scores(beside, score)
        return estimate(others - scores(name, score) if beside else scores(name, score))

    columns = (*SCORES, SECONDS)
    rows: list[dict[str, Cell]] = [
        {"trained": name, **{score: cell(name, score) for score in columns}} for name in (WHOLE, *lacking)
    ]
    brought: list[dict[str, Cell]] = [
        {"without": name, **{score: cell(name, score, WHOLE) for score in columns}} for name in lacking
    ]
    return Findings(
        metrics={score: measured(score, scores(WHOLE, score)) for score in METRICS},
        controls={f"untrained_{score}": measured(score, scores(WHOLE, UNTRAINED + score)) for score in METRICS},
        tables=[
            Table("PSNR in dB, shares of frames and bodies over 64 frames, and the seconds of a training", rows),
            Table("What the whole has more than each of them, paired by seed", brought),
        ],
    )


def score(config: DreamingConfig, place: Path, seed: int, name: str) -> Life:
    """Scores of one training.

    Args:
        config: of the study.
        place: holds the recordings of each seed, under its number.
        seed: of recordings, weights and dreams.
        name: of the training, see `DreamingConfig.trained`.
    """
    video, dynamics = config.trained()[name]
    data, folder = place / str(seed) / "data/manifest.json", place / str(seed) / name.replace(" ", "-")
    tokenizer, latents = make_tokens(video, config.data.shards, seed, data, folder)
    body = {"body": data} if dynamics.fine.body else {}
    arguments = _named({"latents": latents, "tokenizer": tokenizer, **body})
    arguments += ["--output", str(folder / "dynamics"), *DEVICE]
    began = time.process_time()
    train_dynamics.main(["--config", seeded(dynamics, seed), *arguments])
    found: Life = {SECONDS: time.process_time() - began}
    model = folder / "dynamics/manifest.json"
    inputs = {"data": data, "latents": latents, "tokenizer": tokenizer, "dynamics": model}
    for program, section in ((rollout, config.rollout), (control, config.control)):
        found |= _scored(program, section.model_copy(update={"seed": seed}), inputs, folder / "judged")
    return found


def _scored(program: Any, section: Section, inputs: dict[str, Path], judged: Path) -> Life:
    """Metrics of one evaluation, with those of untrained dynamics and the ceilings."""
    endings = {"output": ".json", "figure": ".png", "video": ".mp4"}
    files = {name: judged.with_suffix(ending) for name, ending in endings.items()}
    program.main(["--config", canonical_json(section), *_named(inputs), *_named(files), *DEVICE])
    found: Life = {}
    result = read_json(files["output"])
    for name, metric in result["metrics"].items():
        found |= {name: metric["value"], CEILING + name: metric["ceiling"]}
        if (value := baseline_values(metric).get("untrained")) is not None:
            found[UNTRAINED + name] = value
    if program is control:
        found[BODIES] = float(np.mean(result["held"]["bodies kept"]["dream"]))
    return found


def _named(paths: dict[str, Path]) -> list[str]:
    """Arguments of a program: --NAME PATH of each."""
    return [word for name, path in paths.items() for word in (f"--{name}", str(path))]
