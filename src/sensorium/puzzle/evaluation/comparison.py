"""Codes that are shown beside a map: trained against untrained, and what their own bits buy."""

from __future__ import annotations

from typing import Any

import numpy as np

from sensorium.evaluation.harness import FLOOR_SEEDS, Bench
from sensorium.models.catalogue import PLACES
from sensorium.models.load import Loadable
from sensorium.puzzle.evaluation import maps


def given(bench: Bench, *codes: type[Any]) -> dict[str, type[Any]]:
    """Those of the codes that were given, by the last part of their place: "sound", "sound_list"."""
    return {PLACES[code.kind].rpartition("/")[2]: code for code in codes if PLACES[code.kind] in bench.parts}


def report(bench: Bench, code: type[Any], seen: maps.MapViews) -> dict[str, Any]:
    """Mean squared error and use of codes over all samples, trained and with fresh weights of three seeds.

    A ratio of the two is no evidence that anything was learned: a mean spectrogram has most of it. What is, is a margin
    over codes that nobody had to learn.
    """
    trained = _report(bench, bench.parts.load(code), seen)
    fresh = [_report(bench, bench.parts.load(code, seed), seen) for seed in FLOOR_SEEDS]
    parameters = sum(weights.numel() for weights in bench.parts.load(code).parameters())
    less = [1 - trained["error"] / each["error"] for each in fresh]
    return {"parameters": parameters, "trained": trained, "untrained": fresh, "less_error": float(np.mean(less))}


def _report(bench: Bench, model: Loadable, seen: maps.MapViews) -> dict[str, Any]:
    assert isinstance(model, maps.GridCode)
    grids = maps.encode(bench, model, seen.samples)
    found = maps.error(seen.samples, maps.decode(bench, model, grids))
    use = maps.use(grids)
    return {"error": float(found.mean()), "perplexity": use["perplexity"], "codes_used": use["codes_used"]}


def decoded(bench: Bench, code: type[Any], seen: maps.MapViews) -> np.ndarray:
    """Test samples through a trained code."""
    model = bench.parts.load(code)
    return maps.decode(bench, model, maps.encode(bench, model, seen.samples))
