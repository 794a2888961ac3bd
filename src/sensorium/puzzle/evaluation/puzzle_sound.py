"""How much of a second of sound survives its puzzle code: error in decibels on 128 mel bands of test sounds.

Errors are root mean squares in decibels over all sounds, bands and columns. Where the sounds name their speakers, those
of the test split are in no training.

`error_db` compares with maps that nobody had to learn: the mean spectrogram; 30 x 30 mean cells rounded to ten even
levels between the least and the largest of the training cells, or to those of Lloyd and Max, with lines between the
cells; the even ones with a linear decoder of all cells (ridge); and the untrained map, which has levels and a local
linear decoder fitted to it and no corrections. `error_db_at_written_bits` compares with principal components that an
ideal entropy coder writes in as many bits as an arithmetic coder takes for the grids. References: principal components
in the same 900 digits, dealt by variance, which is a code without places; the trained map with its cells permuted,
which must fail; the preset of earlier work, where it was trained. Ceiling: no error.

Where a list was trained, `list_error_db` and `list_300_error_db` compare all of its digits, and the first 300, with as
many digits of principal components (as they are, and cut off at silence) and with the list before its correction was
learned. Where sounds have classes,
`probe` reads them from codes, compared with the most frequent class.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from sensorium.evaluation import figures
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
from sensorium.evaluation.harness import Bench, require
from sensorium.evaluation.scores import root_mean
from sensorium.evaluation.statistics import measure
from sensorium.puzzle.config import CODES, SIDE, PuzzleSoundConfig
from sensorium.puzzle.evaluation import comparison, maps
from sensorium.puzzle.evaluation.probe import class_probe
from sensorium.puzzle.legacy import LegacySound
from sensorium.puzzle.list_code import DIGITS
from sensorium.puzzle.sound_list import SoundList
from sensorium.puzzle.sound_map import SoundMap
from sensorium.puzzle.spectrogram import RANGE
from sensorium.puzzle.train_puzzle import seconds_frames

REVISION = 2
INPUTS = (
    DATA,
    Input("puzzle", "puzzle/sound"),
    Input("list", "puzzle/sound_list", required=False, help="manifest of the list"),
    Input("legacy", "puzzle/sound_legacy", required=False, help="manifest of the preset of earlier work"),
)
EVALUATION = Evaluation(__name__, PuzzleSoundConfig, inputs=INPUTS, control="the learned corrections")
main = EVALUATION.main

SHOWN = 6
PREFIX = 300  # digits of a list that are judged beside all of them


def judge(bench: Bench, config: PuzzleSoundConfig) -> Result:
    """Compare test spectrograms with what their grids decode to, beside codes that are not learned."""
    require(bench.parts.recordings(), "audio", "leave this evaluation out, or record with sound")
    frames = seconds_frames(bench.parts.recordings())
    model, judged = bench.parts.load(SoundMap), bench.parts.load(SoundMap, bench.untrained_seed)
    seen = maps.draw_views(bench, model, frames, (config.examples, config.windows), config.seed)
    grids, known = maps.encode(bench, judged, seen.samples), maps.encode(bench, judged, seen.examples)
    decoded, bits = maps.decode(bench, judged, grids), maps.bits(known, grids)
    components = Components(seen.examples)
    coded, taken = in_bits(components, seen.examples, seen.samples, bits["written"])
    others = {
        "components in 900 digits": in_digits(components, seen.examples, seen.samples, SIDE * SIDE),
        "cells permuted": maps.decode(bench, judged, maps.permuted(grids, config.seed)),
    }
    for code in comparison.given(bench, LegacySound).values():
        others["preset of 83,777 numbers"] = comparison.decoded(bench, code, seen)
    plain = unlearned_sounds(seen) | {"untrained map": untrained_sound(bench, seen)}
    shared: dict[str, Any] = {
        "statistic": root_mean,
        "fitted_on": seen.fitted_on,
        "ceilings": {"no error": 0.0},
        "higher_is_better": False,
        "seed": config.seed,
    }
    metrics = {
        "error_db": measure(
            "error_db",
            squared_decibels(seen, decoded),
            seen.groups,
            baselines={name: squared_decibels(seen, other) for name, other in plain.items()},
            references={name: squared_decibels(seen, other) for name, other in others.items()},
            **shared,
        ),
        "error_db_at_written_bits": measure(
            "error_db_at_written_bits",
            squared_decibels(seen, decoded),
            seen.groups,
            baselines={"components in as many bits": squared_decibels(seen, coded)},
            **shared,
        ),
    }
    if "puzzle/sound_list" in bench.parts:
        metrics |= list_errors(bench, seen, components, shared)
    values, known_values = (maps.levels(bench, judged, part) for part in (seen.samples, seen.examples))
    metrics |= class_probe(seen, (known, grids), (known_values, values), config.seed)
    notes = {
        "report": {
            name: comparison.report(bench, code, seen)
            for name, code in comparison.given(bench, SoundMap, SoundList, LegacySound).items()
        },
        "bits": bits | {"components": float(taken.mean())},
        "use": maps.use(grids),
        "error": float(maps.error(seen.samples, decoded).mean()),
        "training_error": float(maps.error(seen.examples, maps.decode(bench, judged, known)).mean()),
        "order": maps.orders(grids, values, config.seed),
    }
    rows = {"sound": seen.samples, "puzzle code": grids / (CODES - 1), "decoded": decoded, **plain}
    title = f"A second of sound in 900 cells of ten codes ({bits['written']:.0f} bits written)"
    return Result(metrics, lambda path: figures.image_grid(path, pictures(rows), title), notes)


def list_errors(
    bench: Bench, seen: maps.MapViews, components: Components, shared: dict[str, Any]
) -> dict[str, dict[str, Any]]:
    """`list_error_db`, of all digits of a list, and `list_300_error_db`, of its first 300."""
    model, untrained = (bench.parts.load(SoundList, seed) for seed in (bench.untrained_seed, 0))
    grids = maps.encode(bench, model, seen.samples)

    def first(code: SoundList, digits: int) -> np.ndarray:
        counts = np.full(len(grids), digits)
        return squared_decibels(seen, bench.map(lambda rows, n: code.decode_first(rows.long(), n), grids, counts))

    metrics = {}
    for name, digits in (("list_error_db", DIGITS), (f"list_{PREFIX}_error_db", PREFIX)):
        plain = in_digits(components, seen.examples, seen.samples, digits)
        baselines = {
            f"components in {digits} digits": squared_decibels(seen, plain),
            f"components in {digits} digits, none below silence": squared_decibels(seen, plain.clip(0)),
            "untrained list": first(untrained, digits),
        }
        metrics[name] = measure(name, first(model, digits), seen.groups, baselines=baselines, **shared)
    return metrics


def squared_decibels(seen: maps.MapViews, other: np.ndarray) -> np.ndarray:
    """Mean squared error of each test spectrogram in squared decibels, [n]."""
    return RANGE**2 * maps.error(seen.samples, other)


def unlearned_sounds(seen: maps.MapViews) -> dict[str, np.ndarray]:
    """Test spectrograms through codes that are written down: name -> [n, bands, columns]."""
    shape = seen.samples.shape[1:]
    examples, samples = pooled(seen.examples, (SIDE, SIDE)), pooled(seen.samples, (SIDE, SIDE))
    even, best = even_levels(examples, CODES), lloyd_max(examples, CODES)
    cells = even[rounded(samples, even)]
    return {
        "mean spectrogram": np.broadcast_to(seen.examples.mean(0), seen.samples.shape),
        "mean cells, even levels": spread_out(cells, shape),
        "mean cells, Lloyd-Max levels": spread_out(best[rounded(samples, best)], shape),
        "mean cells, even levels, ridge decoder": ridge_decoder(even[rounded(examples, even)], seen.examples, cells),
    }


def untrained_sound(bench: Bench, seen: maps.MapViews) -> np.ndarray:
    """Test spectrograms through the untrained map."""
    untrained = bench.parts.load(SoundMap, 0)
    return maps.decode(bench, untrained, maps.encode(bench, untrained, seen.samples))


def pictures(rows: dict[str, np.ndarray]) -> dict[str, np.ndarray]:
    """Some spectrograms and grids [n, rows, columns], low bands below: name -> [SHOWN, 3, rows, columns]."""
    count = len(next(iter(rows.values())))
    shown = np.linspace(0, count - 1, SHOWN).astype(int)
    return {
        name.replace(", ", ",\n"): np.repeat(values[shown, None, ::-1].clip(0, 1), 3, 1)
        for name, values in rows.items()
    }
