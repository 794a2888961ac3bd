"""What the text codes hold and stand, on texts that primed nothing.

bits_a_byte_<group>     of pages of documentation (Python's manual), of a package's documentation and of messages in
                        other languages, without header and parity. Floors: `text_compressors`, each on the same pages
bytes_a_grid            text in one dense grid, beside parity and header. Floors: the same bytes of code filled by gzip,
                        with and without a dictionary, by the model without its corpus, and raw; the legible grid
legible_bytes_a_grid    text in one legible grid. Floor: three cells a byte. Ceiling: the dense grid
repaired                share of grids that come back exactly with 5 wrong cells. Floor: read without parity
silent_errors           share of damaged grids, 1 to 900 wrong cells, that are taken for another text. Floor: read
                        without parity and check sum

Ceiling of bits a byte: Shannon's lower bound of the entropy of printed English ("Prediction and entropy of printed
English", 1951), 0.6 bits a character. The negative control permutes the counters of the corpus and what their states
add, reads without parity, and knows no words but bytes.
"""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from sensorium.artifacts import ArtifactError, read_manifest, verified_file
from sensorium.evaluation import figures
from sensorium.evaluation.contract import Evaluation, Input, Result
from sensorium.evaluation.harness import Bench
from sensorium.evaluation.scores import mean, median
from sensorium.evaluation.statistics import measure
from sensorium.puzzle import dense_text, legible_text
from sensorium.puzzle.collect_texts import StoredText, read_texts
from sensorium.puzzle.evaluation.text_compressors import Size, compressors, deflated, longest, unprimed
from sensorium.puzzle.evaluation.text_damage import REPAIRABLE, damaged, protected, unprotected
from sensorium.puzzle.evaluation.text_preset import preset
from sensorium.puzzle.grid import CELLS
from sensorium.puzzle.primed_model import PrimedModel
from sensorium.puzzle.text_codes import KIND, TextCodes, read_arrays
from sensorium.puzzle.text_config import PuzzleTextEvaluation
from sensorium.puzzle.words import Vocabulary
from sensorium.randomness import stable_seed

REVISION = 2
EVALUATION = Evaluation(
    __name__,
    PuzzleTextEvaluation,
    inputs=(
        Input("texts", "puzzle/texts"),
        Input("codes", "puzzle/text"),
        Input("legacy", "puzzle/text_legacy", required=False, help="manifest of the preset of earlier work"),
    ),
    control="counters and what they add (permuted), parity (not read) and words (bytes)",
)
main = EVALUATION.main

SHANNON = 0.6  # bits a character
GROUPS = {"topics": "documentation", "packages": "packages"}  # every other group is a language
FULL = 4000  # bytes from which a grid is filled
REPAIRS = 20  # of so many damaged grids, one has as many wrong cells as can be repaired


@dataclass(frozen=True)
class Pages:
    """Pages of a group: the text of each, what follows it, the text that it is from, and its group there."""

    content: list[bytes]
    following: list[bytes]
    names: list[str]
    groups: list[str]


def judge(bench: Bench, config: PuzzleTextEvaluation) -> Result:
    """Write pages of unseen texts on grids, and damage them."""
    texts = read_texts(bench.parts.use("puzzle/texts"))
    arrays = arrays_of(bench)
    codes = TextCodes(arrays)
    if bench.untrained_seed is not None:
        codes.words = Vocabulary(arrays["merges"][:0])
    primed = [text for text in texts if text.split != "judged"]
    fitted_on = {text.name for text in primed}
    others = compressors(arrays, [text.content for text in primed if text.split == "counted"])
    pages = pages_of(texts, config)
    metrics, sizes = {}, {}
    for group, drawn in pages.items():
        sizes[group] = {name: bits_of(size, drawn) for name, size in {"primed": primed_size(codes), **others}.items()}
        floors = {name: values for name, values in sizes[group].items() if name != "primed"}
        metrics[f"bits_a_byte_{group}"] = measure(
            f"bits_a_byte_{group}",
            sizes[group]["primed"],
            drawn.names,
            fitted_on=fitted_on,
            baselines=floors,
            ceilings={"Shannon 1951": SHANNON},
            statistic=mean,
            higher_is_better=False,
            seed=config.seed,
        )
    drawn = pages["documentation"]
    metrics |= filled(codes, unprimed(arrays), others["gzip with a dictionary"], drawn, fitted_on, config.seed)
    metrics |= wrong_cells(codes, drawn, fitted_on, config, bench.untrained_seed is None)
    shown = {group: metrics[f"bits_a_byte_{group}"] for group in pages}
    notes: dict[str, Any] = {
        "milliseconds_a_page": seconds(codes, drawn),
        "bits_a_byte_by_language": by_language(sizes, pages),
    }
    if "puzzle/text_legacy" in bench.parts:
        notes["legacy"] = preset(bench, texts, config.seed)
    return Result(metrics, lambda path: figures.bars(path, shown, "Texts that primed nothing", "bits a byte"), notes)


def arrays_of(bench: Bench) -> dict[str, np.ndarray]:
    """The arrays of the text codes; of the negative control, those of the corpus permuted."""
    path = bench.parts.use("puzzle/text")
    arrays = read_arrays(verified_file(path, read_manifest(path, KIND), "model"))
    if bench.untrained_seed is not None:
        rng = np.random.default_rng(bench.untrained_seed)
        for name in ("counters", "state_odds", "page_odds", "node_odds"):
            arrays[name] = rng.permutation(arrays[name], axis=-1)
    return arrays


def pages_of(texts: Sequence[StoredText], config: PuzzleTextEvaluation) -> dict[str, Pages]:
    """Pages of each group, drawn from the texts that judge.

    Raises:
        ArtifactError: if there are no two texts of documentation.
    """
    found: dict[str, list[tuple[StoredText, int]]] = {}
    for text in texts:
        if text.split == "judged":
            starts = range(0, len(text.content) - config.page_bytes + 1, config.page_bytes)
            found.setdefault(GROUPS.get(text.group, "languages"), []).extend((text, start) for start in starts)
    pages = {}
    for group, places in found.items():
        rng = np.random.default_rng(stable_seed(config.seed, group))
        chosen = [places[place] for place in rng.permutation(len(places))[: config.pages]]
        if len({text.name for text, _ in chosen}) < 2:
            continue
        pages[group] = Pages(
            [text.content[start : start + config.page_bytes] for text, start in chosen],
            [text.content[start : start + FULL] for text, start in chosen],
            [text.name for text, _ in chosen],
            [text.group for text, _ in chosen],
        )
    if "documentation" not in pages:
        raise ArtifactError("no two pages of Python's manual are among the texts; collect them again")
    return pages


def primed_size(codes: TextCodes) -> Size:
    """Bytes that a text takes by the primed model."""
    return lambda text: len(codes.model.encode(text)[0])


def bits_of(size: Size, pages: Pages) -> np.ndarray:
    """Bits a byte of each page, [n]."""
    return np.array([8 * size(text) / len(text) for text in pages.content])


def filled(
    codes: TextCodes, bare: PrimedModel, packer: Size, pages: Pages, fitted_on: set[str], seed: int
) -> dict[str, dict[str, Any]]:
    """`bytes_a_grid` and `legible_bytes_a_grid`, of pages that are followed by enough text to fill a grid."""
    kept = [place for place, text in enumerate(pages.following) if len(text) >= 0.7 * FULL]
    kept = kept if len({pages.names[place] for place in kept}) > 1 else list(range(len(pages.following)))
    texts, names = [pages.following[place] for place in kept], [pages.names[place] for place in kept]
    most = dense_text.PAGE_BYTES
    dense = np.array([codes.model.encode(text, most)[1] for text in texts], float)
    legible = np.array([len(first_words(codes, text)) for text in texts], float)
    floors = {
        "raw": np.full(len(texts), float(most)),
        "gzip": np.array([longest(text, deflated, most) for text in texts], float),
        "gzip with a dictionary": np.array([longest(text, packer, most) for text in texts], float),
        "counters of the corpus empty": np.array([bare.encode(text, most)[1] for text in texts], float),
        "legible": legible,
    }
    shared: dict[str, Any] = {"fitted_on": fitted_on, "statistic": median, "seed": seed}
    return {
        "bytes_a_grid": measure(
            "bytes_a_grid",
            dense,
            names,
            baselines=floors,
            ceilings={"Shannon 1951": 8 * most / SHANNON},
            **shared,
        ),
        "legible_bytes_a_grid": measure(
            "legible_bytes_a_grid",
            legible,
            names,
            baselines={"three cells a byte": float(CELLS // 3)},
            ceilings={"dense": dense},
            **shared,
        ),
    }


def first_words(codes: TextCodes, text: bytes) -> bytes:
    """The beginning of a text that one legible grid holds."""
    return codes.words.decode(codes.words.encode(text)[: legible_text.PAGE_WORDS])


def wrong_cells(
    codes: TextCodes, pages: Pages, fitted_on: set[str], config: PuzzleTextEvaluation, parity: bool
) -> dict[str, dict[str, Any]]:
    """`repaired` and `silent_errors`, of grids that hold a page each, or as much of it as they can."""
    rng = np.random.default_rng(stable_seed(config.seed, "wrong cells"))
    texts = [text[: codes.model.encode(text, dense_text.PAGE_BYTES)[1]] for text in pages.content]
    grids = [dense_text.encode(text, codes.model)[0] for text in texts]
    exact, silent, bare, repairs = [], [], [], []
    drawn = rng.integers(0, len(texts), config.damaged)
    names = [pages.names[place] for place in drawn]
    for number in range(config.damaged):
        place = drawn[number]
        text, repairable = texts[place], number % REPAIRS == 0
        cells = REPAIRABLE if repairable else int(np.ceil(CELLS ** rng.random()))
        grid = damaged(grids[place], cells, rng)
        read = protected(codes) if parity else unprotected(codes, len(text))
        found = read(grid)
        silent.append(float(found is not None and found != text))
        if repairable:
            exact.append(float(found == text))
            bare.append(float(unprotected(codes, len(text))(grid) == text))
            repairs.append(names[number])
    return {
        "repaired": measure(
            "repaired",
            np.array(exact),
            repairs,
            fitted_on=fitted_on,
            baselines={"without parity": np.array(bare)},
            ceilings={"all": 1.0},
            seed=config.seed,
        ),
        "silent_errors": measure(
            "silent_errors",
            np.array(silent),
            names,
            fitted_on=fitted_on,
            baselines={"without parity and check sum": 1 - float(np.mean(bare))},
            ceilings={"none": 0.0},
            higher_is_better=False,
            seed=config.seed,
        ),
    }


def seconds(codes: TextCodes, pages: Pages) -> dict[str, float]:
    """CPU milliseconds to write and to read a full grid, medians."""
    spent = []
    for text in pages.following:
        _, size = codes.model.encode(text, dense_text.PAGE_BYTES)
        began = time.process_time()
        grids = codes.encode(text[:size])
        written = time.process_time()
        codes.decode(grids)
        spent.append((written - began, time.process_time() - written))
    writing, reading = 1000 * np.median(np.array(spent), 0)
    return {"write": round(float(writing), 1), "read": round(float(reading), 1)}


def by_language(sizes: Mapping[str, Mapping[str, np.ndarray]], pages: Mapping[str, Pages]) -> dict[str, Any]:
    """Mean bits a byte of each language, by what writes it."""
    if "languages" not in pages:
        return {}
    groups = np.array(pages["languages"].groups)
    return {
        str(group): {
            name: round(float(values[groups == group].mean()), 2) for name, values in sizes["languages"].items()
        }
        for group in np.unique(groups)
    }
