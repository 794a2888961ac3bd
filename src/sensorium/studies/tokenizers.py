"""Both video tokenizers, fully trained on the same recordings, compared with principal components.

Each seed has recordings and weights of its own; frames of test recordings are judged as `reconstruction` does.
"""

from __future__ import annotations

from pathlib import Path
from tempfile import TemporaryDirectory

import numpy as np

from sensorium.artifacts import read_json
from sensorium.config import canonical_json
from sensorium.evaluation.statistics import baseline_values
from sensorium.generation import train_tokenizer
from sensorium.generation.evaluation import reconstruction
from sensorium.progress import track
from sensorium.studies.config import TokenizersStudyConfig
from sensorium.studies.findings import Cell, Findings, Table, estimate, over_seeds
from sensorium.studies.recorded import DEVICE, record, seeded

REVISION = 1
KINDS = ("convolutional", "transformer")
SCORES = ("psnr", "ssim")
MEAN, COMPONENTS, JPEG = "mean image", "principal components", "JPEG"
_UNTRAINED = 101  # seed of the controls' weights
Life = dict[str, dict[str, float]]  # code -> score -> value


def run(config: TokenizersStudyConfig) -> Findings:
    """Train and judge, over all seeds."""
    return judge([score_seed(config, seed) for seed in track(config.all_seeds(), "seeds")])


def judge(lives: list[Life]) -> Findings:
    """The findings from the scores of every code in each seed."""

    def scores(code: str, score: str) -> np.ndarray:
        return np.array([life[code][score] for life in lives])

    metrics, controls = {}, {}
    for score in SCORES:
        floor = max(scores(code, score).mean() for code in (MEAN, COMPONENTS))
        ceiling = scores("8 bits", score).mean()
        for kind in KINDS:
            metrics[f"{kind}_{score}"] = over_seeds(score, scores(kind, score), floor, ceiling)
            controls[f"untrained_{kind}_{score}"] = over_seeds(
                score, scores(f"untrained {kind}", score), floor, ceiling
            )
    rows: list[dict[str, Cell]] = [
        {"code": code, **{score: estimate(scores(code, score)) for score in SCORES}}
        for code in (*KINDS, COMPONENTS, JPEG, MEAN)
    ]
    return Findings(metrics, controls, [Table("Test frames through each code, PSNR in dB", rows)])


def score_seed(config: TokenizersStudyConfig, seed: int) -> Life:
    """Scores of both tokenizers of a seed, of untrained ones, and of reference codes."""
    found: Life = {}
    with TemporaryDirectory() as place:
        folder = Path(place)
        data = str(record(config.data, seed, folder / "data"))
        judged = canonical_json(config.reconstruction.model_copy(update={"seed": seed}))
        for kind in KINDS:
            section, output = seeded(getattr(config, kind), seed), folder / kind
            train_tokenizer.main(["video", "--config", section, "--data", data, "--output", str(output), *DEVICE])
            arguments = ["--config", judged, "--data", data, "--tokenizer", str(output / "manifest.json"), *DEVICE]
            for name, control in ((kind, ()), (f"untrained {kind}", ("--untrained-seed", str(_UNTRAINED)))):
                result = folder / f"{name}.json"
                reconstruction.main(
                    [*arguments, *control, "--output", str(result), "--figure", str(result.with_suffix(".png"))]
                )
                for score, metric in read_json(result)["metrics"].items():
                    known = {name: metric["value"], "8 bits": metric["ceiling"]}
                    for code, value in baseline_values(metric).items():
                        beside = JPEG if code.startswith(JPEG) else COMPONENTS if code.endswith(COMPONENTS) else code
                        if beside in (MEAN, COMPONENTS, JPEG):
                            known[beside] = value
                    for code, value in known.items():
                        found.setdefault(code, {})[score] = value
    return found
