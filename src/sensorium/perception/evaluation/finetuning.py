"""Gains and harms of joint training: downstream tests before and after, on the same windows.

The separately trained encoders and fusion, and the joint model, go through every test of the battery (battery.py).
Differences are paired; intervals come from resampling the test recordings, the same for all tests. Both metrics are
differences of a score (accuracy, share found, R^2), whose best value is 1, and name the test that they are about:

best_gain    the gain of the test that gained most over what it was and over the control, in units of its interval.
             Intervals hold for all tests and both comparisons at once (the largest deviate of any over the resamples),
             because the best of many would exceed 0 by luck. Baselines: no change; the fusion trained for as many steps
             with the encoders frozen (frozen_control.py), for a gain that needs no joint training is none of it.
worst_harm   the gain of the test whose 95 % interval reaches lowest. It passes if that interval lies above a loss of
             0.02, so every test has shown that it lost less: a test of non-inferiority, which fewer recordings make
             harder to pass. A score varies by about 0.02 (standard deviations of 0.01 to 0.03) between trainings that
             differ in their seed alone, so a smaller loss is no reason to prefer the model before.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from sensorium.evaluation import figures
from sensorium.evaluation.contract import Evaluation, Input, Result
from sensorium.evaluation.harness import Bench
from sensorium.evaluation.statistics import LeakError, resampled_weights, tail
from sensorium.perception.config import AudioEncoderConfig, FinetuningConfig, FusionConfig
from sensorium.perception.encoders import AudioEncoder, VisionEncoder
from sensorium.perception.evaluation.battery import Battery, BatteryScore
from sensorium.perception.evaluation.frozen_control import train_fusion_alone
from sensorium.perception.evaluation.world_readout import FUSED
from sensorium.perception.fusion import Fusion
from sensorium.perception.joint import Joint
from sensorium.progress import track

REVISION = 2
EVALUATION = Evaluation(
    __name__, FinetuningConfig, inputs=(*FUSED, Input("finetuned", "finetuned")), control="the joint model"
)
main = EVALUATION.main

NOTHING = 1e-9  # smallest half-width of an interval: that of a test that did not change at all
HARM = 0.02  # loss of a score that counts as harm
UNCHANGED, FROZEN = "no change", "encoders frozen"


def judge(bench: Bench, config: FinetuningConfig) -> Result:
    """Test the separately trained parts, their fusion trained on alone, and the joint model; compare."""
    parts = bench.parts
    frames = parts.section("fusion", FusionConfig).frames
    sound_frames = parts.section("encoders/audio", AudioEncoderConfig).frames
    battery = Battery(parts.recordings(), frames, sound_frames, config, bench)
    vision, audio = parts.load(VisionEncoder), parts.load(AudioEncoder)
    embedded, probes = battery.embed(vision, audio), battery.probes(vision, audio)
    before = probes | battery.fused(embedded, parts.load(Fusion))
    frozen = probes | battery.fused(embedded, train_fusion_alone(bench, parts.recordings(), embedded[0]))
    joint = parts.load(Joint, bench.untrained_seed)
    after = battery.probes(joint.vision, joint.audio)
    after |= battery.fused(battery.embed(joint.vision, joint.audio), joint.fusion)
    metrics, table = gains_and_harms(before, frozen, after, config.seed)
    return Result(metrics, lambda path: figures.changes(path, table, "What joint training changed"), {"table": table})


@dataclass(frozen=True)
class _Change:
    """The differences of all tests' scores to those of a baseline: [tests] and, resampled, [tests, draws]."""

    point: np.ndarray
    draws: np.ndarray

    @property
    def error(self) -> np.ndarray:
        """Standard errors, [tests]."""
        return np.maximum(self.draws.std(1), NOTHING)

    def deviates(self) -> np.ndarray:
        """How far resamples are from their mean, in standard errors, [tests, draws]."""
        deviates: np.ndarray = np.abs(self.draws - self.draws.mean(1, keepdims=True)) / self.error[:, None]
        return deviates


def gains_and_harms(
    before: Mapping[str, BatteryScore], frozen: Mapping[str, BatteryScore], after: Mapping[str, BatteryScore], seed: int
) -> tuple[dict[str, dict[str, Any]], dict[str, dict[str, Any]]]:
    """The two metrics, and for each test its three scores and the difference of the first to the last.

    Args:
        before: scores of the separately trained parts, by test.
        frozen: of the control.
        after: of the joint model.
        seed: of the resampling.

    Raises:
        LeakError: if a readout was fitted on a recording that judges it.
    """
    for name, score in after.items():
        if leaked := set(score.fitted_on) & set(score.groups):
            raise LeakError(f"{name}: fitted on {len(leaked)} of the recordings that judge it ({min(leaked)}, ...)")
    names = np.unique(np.concatenate([score.groups for score in before.values()]))
    drawn, left_out = resampled_weights(names.tolist(), seed), tail(len(names))
    weights = {name: drawn[:, np.searchsorted(names, score.groups)] for name, score in before.items()}
    was, now = (_scores(scores, weights) for scores in (before, after))
    kept = _scores({name: score for name, score in frozen.items() if score is not before[name]}, weights)
    held = [kept.get(name, was[name]) for name in before]
    points, resampled = (np.array([score[part] for score in now.values()]) for part in (0, 1))
    changes = {
        name: _Change(points - np.array([s[0] for s in others]), resampled - np.array([s[1] for s in others]))
        for name, others in ((UNCHANGED, list(was.values())), (FROZEN, held))
    }
    change = changes[UNCHANGED]
    low, high = np.quantile(change.draws, [left_out, 1 - left_out], axis=1)
    table: dict[str, dict[str, Any]] = {
        name: {
            "before": was[name][0],
            "frozen": held[row][0],
            "after": now[name][0],
            "difference": {"value": float(change.point[row]), "low": float(low[row]), "high": float(high[row])},
        }
        for row, name in enumerate(before)
    }
    together = np.quantile(np.max([each.deviates().max(0) for each in changes.values()], axis=0), 1 - 2 * left_out)
    whole = {name: np.maximum(together * each.error, NOTHING) for name, each in changes.items()}
    best = int(np.min([each.point / whole[name] for name, each in changes.items()], axis=0).argmax())
    worst, tests = int(low.argmin()), list(table)
    gain = _interval(change.point[best], -whole[UNCHANGED][best], whole[UNCHANGED][best])
    margins = {
        name: _interval(each.point[best], -whole[name][best], whole[name][best]) for name, each in changes.items()
    }
    harm = table[tests[worst]]["difference"]
    above = {end: value + HARM for end, value in harm.items()}
    return {
        "best_gain": _record(gain, margins, tests, best, 1 - was[tests[best]][0], len(names)),
        "worst_harm": _record(harm, {f"harm of {HARM}": above}, tests, worst, 1 - was[tests[worst]][0], len(names)),
    }, table


def _scores(
    scores: Mapping[str, BatteryScore], weights: Mapping[str, np.ndarray]
) -> dict[str, tuple[float, np.ndarray]]:
    """Each test's score, and its scores over the resamples, [draws]."""
    found = {}
    for name, score in scores.items():
        rounds = track(weights[name], f"{name}: resamplings")
        resampled = np.array([score.statistic(score.samples, w) for w in rounds])
        found[name] = score.statistic(score.samples, np.ones(len(score.groups))), resampled
    return found


def _interval(value: float, low: float, high: float) -> dict[str, float]:
    return {"value": float(value), "low": float(value + low), "high": float(value + high)}


def _record(
    gain: Mapping[str, float],
    margins: Mapping[str, Mapping[str, float]],
    tests: Sequence[str],
    place: int,
    perfect: float,
    recordings: int,
) -> dict[str, Any]:
    """One test's gain in the form of a metric, with its margins over what it is compared with."""
    baselines: list[dict[str, Any]] = []
    for name, margin in margins.items():
        value = gain["value"] - margin["value"]
        baselines.append({"name": name, "value": value, "low": value, "high": value, "margin": dict(margin)})
    baselines.sort(key=lambda baseline: -float(baseline["value"]))
    strongest = baselines[0]
    return {
        **gain,
        "n": len(tests),
        "recordings": recordings,
        "floor": strongest["value"],
        "floor_name": strongest["name"],
        "ceiling": perfect,
        "higher_is_better": True,
        "margin": strongest["margin"],
        "passed": strongest["margin"]["low"] > 0,
        "baselines": baselines,
        "ceilings": {"every test perfect": perfect},
        "references": {},
        "test": tests[place],
    }
