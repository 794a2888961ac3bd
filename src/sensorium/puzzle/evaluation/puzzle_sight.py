"""How much of a picture survives its puzzle code: PSNR of the mean squared error, in dB, on test recordings.

`psnr` compares with maps that nobody had to learn: the mean picture; 30 x 30 mean cells of brightness, or 24 x 24 of
brightness and 18 x 9 of each colour difference, rounded to ten even levels between the least and the largest of the
training cells or to those of Lloyd and Max, with lines between the cells; the colour cells with a linear decoder of all
cells (ridge); and the untrained map, which has levels and a local linear decoder fitted to it and no corrections.
`psnr_at_written_bits` compares with what takes as many bits as an arithmetic coder takes for the grids: principal
components that an ideal entropy coder writes, JPEG and WebP without their headers. References, in the same 900 digits
or 374 bytes: principal components, dealt by variance, JPEG and WebP; the trained map with its cells permuted, which
must fail; the preset of earlier work, where it was trained. Ceiling: rounding to 8 bits.

`stillness` notes how many codes change from a frame to the next where no pixel of their own place does.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import torch

from sensorium.data.sample_formats import WHITE
from sensorium.evaluation import figures
from sensorium.evaluation.baselines.codecs import jpeg, webp
from sensorium.evaluation.baselines.component_codes import Components, in_bits, in_digits
from sensorium.evaluation.baselines.pooled_levels import (
    even_levels,
    lloyd_max,
    pooled,
    ridge_decoder,
    rounded,
    spread_out,
)
from sensorium.evaluation.contract import DATA, Evaluation, Input, Result
from sensorium.evaluation.harness import Bench, WindowPool
from sensorium.evaluation.scores import psnr, squared_error
from sensorium.evaluation.statistics import measure
from sensorium.puzzle.config import CODES, SIDE, PuzzleSightConfig
from sensorium.puzzle.evaluation import comparison, maps
from sensorium.puzzle.legacy import LegacySight
from sensorium.puzzle.sight_map import LUMA, SightMap
from sensorium.randomness import stable_seed

REVISION = 2
INPUTS = (
    DATA,
    Input("puzzle", "puzzle/sight"),
    Input("legacy", "puzzle/sight_legacy", required=False, help="manifest of the preset of earlier work"),
)
EVALUATION = Evaluation(__name__, PuzzleSightConfig, inputs=INPUTS, control="the learned corrections")
main = EVALUATION.main

SHOWN = 8
EIGHT_BIT_ERROR = 1 / 12 / WHITE**2
# Rec. ITU-R BT.601: brightness, and differences of blue and red from it
TO_YCC = np.array([LUMA, [-0.168736, -0.331264, 0.5], [0.5, -0.418688, -0.081312]])
CELLS = ((24, 24), (18, 9), (18, 9))  # of brightness and of the two colour differences: 900 in all


def judge(bench: Bench, config: PuzzleSightConfig) -> Result:
    """Compare test frames with what their grids decode to, beside codes that are not learned."""
    model, judged = bench.parts.load(SightMap), bench.parts.load(SightMap, bench.untrained_seed)
    seen = maps.draw_views(bench, model, 1, (config.examples, config.frames), config.seed)
    grids, known = maps.encode(bench, judged, seen.samples), maps.encode(bench, judged, seen.examples)
    decoded, bits = maps.decode(bench, judged, grids).clip(0, 1), maps.bits(known, grids)
    components = Components(seen.examples)
    coded, taken = in_bits(components, seen.examples, seen.samples, bits["written"])
    size = round(bits["written"] / 8)
    fair = {
        "components in as many bits": coded.clip(0, 1),
        "JPEG in as many bits": jpeg(seen.samples, size),
        "WebP in as many bits": webp(seen.samples, size),
    }
    others = {
        "components in 900 digits": in_digits(components, seen.examples, seen.samples, SIDE * SIDE).clip(0, 1),
        f"JPEG in {maps.FILE} bytes": jpeg(seen.samples, maps.FILE),
        f"WebP in {maps.FILE} bytes": webp(seen.samples, maps.FILE),
        "cells permuted": maps.decode(bench, judged, maps.permuted(grids, config.seed)).clip(0, 1),
    }
    for code in comparison.given(bench, LegacySight).values():
        others["preset of 349,187 numbers"] = comparison.decoded(bench, code, seen).clip(0, 1)
    plain = unlearned_pictures(seen) | {"untrained map": untrained_sight(bench, seen)}

    def metric(name: str, baselines: dict[str, np.ndarray], references: dict[str, np.ndarray]) -> dict[str, Any]:
        def score(images: np.ndarray) -> np.ndarray:
            return squared_error(seen.samples, images)

        return measure(
            name,
            score(decoded),
            seen.groups,
            statistic=psnr,
            fitted_on=seen.fitted_on,
            baselines={key: score(images) for key, images in baselines.items()},
            references={key: score(images) for key, images in references.items()},
            ceilings={"8 bits": np.full(len(decoded), EIGHT_BIT_ERROR)},
            seed=config.seed,
        )

    metrics = {"psnr": metric("psnr", plain, others), "psnr_at_written_bits": metric("psnr_at_written_bits", fair, {})}
    trained = maps.error(seen.examples, maps.decode(bench, judged, known).clip(0, 1))
    notes = {
        "bits": bits | {"components": float(taken.mean())},
        "use": maps.use(grids),
        "report": {
            name: comparison.report(bench, code, seen)
            for name, code in comparison.given(bench, SightMap, LegacySight).items()
        },
        "stillness": changes_where_still(bench, judged, config),
        "training_psnr": psnr(trained, np.ones(len(trained))),
        "order": maps.orders(grids, maps.levels(bench, judged, seen.samples), config.seed),
    }
    shown = np.linspace(0, len(decoded) - 1, SHOWN).astype(int)
    grey = np.repeat(grids[shown, None] / (CODES - 1), 3, 1)
    rows = {"picture": seen.samples, "decoded": decoded, **plain, **fair}
    rows = {"picture": seen.samples[shown], "puzzle code": grey} | {key: images[shown] for key, images in rows.items()}
    title = f"Pictures in 900 cells of ten codes ({bits['written']:.0f} bits written)"
    return Result(metrics, lambda path: figures.image_grid(path, rows, title), notes)


def changes_where_still(bench: Bench, model: SightMap, config: PuzzleSightConfig) -> dict[str, float]:
    """Share of the cells of which no pixel changes from a frame to the next, and of codes that change there and in all.

    A cell may see beyond its own pixels, so its code may change with what moves beside it.
    """
    if bench.parts.recordings().details.get("still"):
        return {}
    pool = WindowPool(bench.parts.recordings(), "test", (model.stream,), 2)
    rng = np.random.default_rng(stable_seed(config.seed, "stillness"))
    rows = pool.draw(np.ones(len(pool), bool), config.frames, rng)
    before, after = (
        bench.run(pool, rows, lambda batch, frame=frame: model.view({"video": batch["video"][:, frame : frame + 1]}))
        for frame in (0, 1)
    )
    still = model.still(torch.from_numpy(before), torch.from_numpy(after)).numpy()
    changed = maps.encode(bench, model, before) != maps.encode(bench, model, after)
    return {
        "still_cells": float(still.mean()),
        "changed_where_still": float(changed[still].mean()) if still.any() else 0.0,
        "changed": float(changed.mean()),
    }


def unlearned_pictures(seen: maps.MapViews) -> dict[str, np.ndarray]:
    """Test frames through codes that are written down: name -> [n, 3, H, W]."""
    shape = seen.samples.shape[2:]
    found = {"mean picture": np.broadcast_to(seen.examples.mean(0), seen.samples.shape)}
    luma = np.array(LUMA, np.float32)
    examples, samples = (
        pooled(np.einsum("c,nchw->nhw", luma, part), (SIDE, SIDE)) for part in (seen.examples, seen.samples)
    )
    even = even_levels(examples, CODES)
    brightness = spread_out(even[rounded(samples, even)], shape)
    found["grey cells, even levels"] = np.repeat(brightness[:, None], 3, 1).clip(0, 1)
    coloured = Coloured(seen.examples)
    for name, choose in (("even levels", even_levels), ("Lloyd-Max levels", lloyd_max)):
        quantised = coloured.quantised(seen.samples, choose)
        found[f"colour cells, {name}"] = coloured.back(quantised, shape)
    known, cells = (coloured.flat(coloured.quantised(part, even_levels)) for part in (seen.examples, seen.samples))
    found["colour cells, even levels, ridge decoder"] = ridge_decoder(known, seen.examples, cells).clip(0, 1)
    return found


class Coloured:
    """Pictures as mean cells of brightness and of two colour differences, 900 in all.

    Args:
        examples: [k, 3, H, W], whose cells the levels are chosen for.
    """

    def __init__(self, examples: np.ndarray) -> None:
        self._examples = self._cells(examples)

    def _cells(self, images: np.ndarray) -> list[np.ndarray]:
        planes = np.einsum("yc,nchw->ynhw", TO_YCC, images).astype(np.float32)
        return [pooled(plane, cells) for plane, cells in zip(planes, CELLS, strict=True)]

    def quantised(self, images: np.ndarray, choose: Any) -> list[np.ndarray]:
        """Cells [n, rows, columns] of each plane, rounded to levels that `choose` makes of those of the examples."""
        result = []
        for cells, known in zip(self._cells(images), self._examples, strict=True):
            levels = choose(known, CODES)
            result.append(levels[rounded(cells, levels)])
        return result

    def flat(self, planes: list[np.ndarray]) -> np.ndarray:
        """All cells of a picture in a row, [n, 900]."""
        return np.concatenate([plane.reshape(len(plane), -1) for plane in planes], 1)

    def back(self, planes: list[np.ndarray], shape: tuple[int, int]) -> np.ndarray:
        """Images [n, 3, H, W] with lines drawn between the cells."""
        wide = np.stack([spread_out(plane, shape) for plane in planes])
        return np.einsum("cy,ynhw->nchw", np.linalg.inv(TO_YCC), wide).clip(0, 1).astype(np.float32)


def untrained_sight(bench: Bench, seen: maps.MapViews) -> np.ndarray:
    """Test frames through the untrained map."""
    untrained = bench.parts.load(SightMap, 0)
    return maps.decode(bench, untrained, maps.encode(bench, untrained, seen.samples)).clip(0, 1)
