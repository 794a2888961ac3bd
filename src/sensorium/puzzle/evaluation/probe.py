"""What a linear probe reads from codes: the class of a sample, compared with the cells before they were rounded."""

from __future__ import annotations

from typing import Any

import numpy as np

from sensorium.evaluation.readout import Readout, one_hot
from sensorium.evaluation.statistics import measure
from sensorium.puzzle.evaluation.maps import MapViews

FEWEST = 50  # labelled samples


def class_probe(
    seen: MapViews, codes: tuple[np.ndarray, np.ndarray], cells: tuple[np.ndarray, np.ndarray], seed: int
) -> dict[str, Any]:
    """`probe`: accuracy of a ridge classifier on codes as numbers, where samples have classes; else nothing.

    Args:
        seen: samples and their classes.
        codes: grids of the examples, on which the classifier is fitted, and of the samples.
        cells: the values at the places of the cells, of both; the reference.
        seed: of the bootstrap.
    """
    if seen.example_labels is None or seen.labels is None:
        return {}
    known, wanted = seen.example_labels >= 0, seen.labels >= 0
    classes, truth = np.unique(seen.example_labels[known], return_inverse=True)
    if len(classes) < 2 or known.sum() < FEWEST or wanted.sum() < FEWEST:
        return {}
    labels = seen.labels[wanted]

    def right(values: tuple[np.ndarray, np.ndarray]) -> np.ndarray:
        rows, test = (part.reshape(len(part), -1).astype(np.float64) for part in values)
        readout = Readout(rows[known], one_hot(truth, len(classes)))
        found = classes[readout(test[wanted]).argmax(1)]
        return np.asarray((found == labels).astype(float))

    usual = classes[np.bincount(truth).argmax()]
    record = measure(
        "probe",
        right(codes),
        [name for name, there in zip(seen.groups, wanted, strict=True) if there],
        fitted_on=seen.fitted_on,
        baselines={"most frequent class": (labels == usual).astype(float)},
        ceilings={"all right": 1.0},
        references={"cells that are not rounded": right(cells)},
        seed=seed,
    )
    return {"probe": record}
