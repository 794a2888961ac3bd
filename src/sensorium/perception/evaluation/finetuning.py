"""Gains and harms of joint training: downstream tests before and after, on the same windows.

The separately trained encoders and fusion, and the joint model, go through every test of the battery (battery.py).
Differences are paired; intervals come from resampling the test recordings, the same for all tests. Two
metrics, in units of the half-width of an interval, so that they compare tests of every kind:

best_gain    the largest gain. Its interval holds for all tests at once (the largest deviate of any test over the
             resamples), because the best of many would exceed 0 by luck. It passes if it lies above 0, no change.
worst_harm   the gain of the test that gained least, each by its own 95 % interval, the stricter choice here. A test is
             harmed if its whole interval lies below 0, which is at -1; the floor is -2, so that the interval clears it
             exactly if no test is harmed.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np

from sensorium.evaluation import figures
from sensorium.evaluation.contract import Evaluation, Input, Result
from sensorium.evaluation.harness import Bench
from sensorium.evaluation.statistics import CONFIDENCE, resampled_weights
from sensorium.perception.config import AudioEncoderConfig, FinetuningConfig, FusionConfig
from sensorium.perception.encoders import AudioEncoder, VisionEncoder
from sensorium.perception.evaluation.battery import Battery, BatteryScore
from sensorium.perception.evaluation.world_readout import FUSED
from sensorium.perception.fusion import Fusion
from sensorium.perception.joint import Joint
from sensorium.progress import track

REVISION = 1
EVALUATION = Evaluation(
    __name__, FinetuningConfig, inputs=(*FUSED, Input("finetuned", "finetuned")), control="the joint model"
)
main = EVALUATION.main

NOTHING = 1e-9  # smallest half-width of an interval: that of a test that did not change at all
HARMED = -2.0


def judge(bench: Bench, config: FinetuningConfig) -> Result:
    """Test the separately trained parts and the joint model, and compare."""
    parts = bench.parts
    frames = parts.section("fusion", FusionConfig).frames
    sound_frames = parts.section("encoders/audio", AudioEncoderConfig).frames
    battery = Battery(parts.recordings(), frames, sound_frames, config, bench)
    before = battery.scores(parts.load(VisionEncoder), parts.load(AudioEncoder), parts.load(Fusion))
    joint = parts.load(Joint, bench.untrained_seed)
    after = battery.scores(joint.vision, joint.audio, joint.fusion)
    metrics, table = gains_and_harms(before, after, config.seed)
    return Result(metrics, lambda path: figures.changes(path, table, "What joint training changed"), {"table": table})


def gains_and_harms(
    before: Mapping[str, BatteryScore], after: Mapping[str, BatteryScore], seed: int
) -> tuple[dict[str, dict[str, Any]], dict[str, dict[str, Any]]]:
    """The two metrics, and for each test its score before and after and their difference with its 95 % interval."""
    names = np.unique(np.concatenate([score.groups for score in before.values()]))
    drawn = resampled_weights(names.tolist(), seed)
    table: dict[str, dict[str, Any]] = {}
    points, resampled, best = [], [], []
    for name, old in before.items():
        new, weights = after[name], drawn[:, np.searchsorted(names, old.groups)]
        ones = np.ones(len(old.groups))
        was, now = (score.statistic(score.samples, ones) for score in (old, new))
        rounds = track(weights, f"change of {name}: resamplings")
        change = np.array([new.statistic(new.samples, w) - old.statistic(old.samples, w) for w in rounds])
        low, high = np.percentile(change, [50 * (1 - CONFIDENCE), 50 * (1 + CONFIDENCE)])
        table[name] = {
            "before": was,
            "after": now,
            "difference": {"value": now - was, "low": float(low), "high": float(high)},
        }
        points.append(now - was)
        resampled.append(change)
        best.append(1 - was)
    point, draws, perfect = np.array(points), np.array(resampled), np.array(best)
    error = np.maximum(draws.std(1), NOTHING)
    together = np.quantile(np.abs((draws - draws.mean(1, keepdims=True)) / error[:, None]).max(0), CONFIDENCE)
    whole = np.maximum(together * error, NOTHING)
    low, high = (np.array([row["difference"][end] for row in table.values()]) for end in ("low", "high"))
    own = np.maximum(np.where(point < 0, high - point, point - low), NOTHING)
    rows, recordings = list(table), len(names)
    return {
        "best_gain": _record(point / whole, perfect / whole, 0.0, rows, recordings, best=True),
        "worst_harm": _record(point / own, perfect / own, HARMED, rows, recordings, best=False),
    }, table


def _record(
    gains: np.ndarray, perfect: np.ndarray, floor: float, rows: list[str], recordings: int, *, best: bool
) -> dict[str, Any]:
    """The extreme of gains in units of their intervals' half-widths, in the form of a metric."""
    place = int(gains.argmax() if best else gains.argmin())
    value, margin = float(gains[place]), float(gains[place]) - floor
    above = {"value": margin, "low": margin - 1, "high": margin + 1}
    what = "no change" if best else "harm beyond its interval"
    return {
        "value": value,
        "low": value - 1,
        "high": value + 1,
        "n": len(gains),
        "recordings": recordings,
        "floor": floor,
        "floor_name": what,
        "ceiling": float(perfect.max() if best else perfect.min()),
        "higher_is_better": True,
        "margin": above,
        "passed": margin > 1,
        "baselines": [{"name": what, "value": floor, "low": floor, "high": floor, "margin": above}],
        "ceilings": {"every test perfect": float(perfect.max() if best else perfect.min())},
        "references": {},
        "test": rows[place],
    }
