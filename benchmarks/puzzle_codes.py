"""What puzzle codes were asked for, and what came out: a table of results of one or several seeds.

    python benchmarks/learning.py --seeds 0 1 2 --configfile config/puzzle.yaml
    python benchmarks/puzzle_codes.py studies/learning/seed-*/results
    python benchmarks/puzzle_codes.py results WORDS/results --docs          ... and put it into docs/puzzles.md

A folder is one of results, and what is not in it is left out. Sounds of their own (`puzzle.sound.data`) are "words",
and have rows of their own. Exit 1 if anything that was asked for did not come out.
"""

from __future__ import annotations

import argparse
import json
import sys
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from sensorium.artifacts import atomic_path
from sensorium.studies.study_tables import between

PAGE = Path(__file__).resolve().parents[1] / "docs/puzzles.md"
MARK = "what was asked"
Results = dict[str, dict[str, Any]]


@dataclass(frozen=True)
class Ask:
    """Something that was asked for.

    Attributes:
        what: in words.
        bound: what it must be.
        least: whether the bound is the least that is allowed; otherwise it is the most.
        value: of the results of a seed, by evaluation; KeyError where they lack it.
    """

    what: str
    bound: float
    least: bool
    value: Callable[[Results], float]

    def met(self, value: float) -> bool:
        """Whether a value is within the bound."""
        return value >= self.bound if self.least else value <= self.bound


def metric(record: dict[str, Any], name: str) -> tuple[float, dict[str, float]]:
    """Value of a metric, and what is compared with it, by name."""
    found = record["metrics"][name]
    return found["value"], {each["name"]: each["value"] for each in found["baselines"]} | found["references"]


def error_ratio(record: dict[str, Any], name: str, other: str) -> float:
    """Ratio of the squared error of a metric in decibels of error to that of something beside it."""
    value, beside = metric(record, name)
    return float((value / beside[other]) ** 2)


def probe_ratio(record: dict[str, Any]) -> float:
    """Accuracy of the probe on codes, of that on cells before rounding."""
    value, beside = metric(record, "probe")
    return value / beside["cells that are not rounded"]


def ahead(results: Results) -> float:
    """By how many decibels pictures are ahead of principal components in as many written bits."""
    value, beside = metric(results["puzzle_sight"], "psnr_at_written_bits")
    return value - beside["components in as many bits"]


def generalisation(results: Results) -> float:
    """Squared error of test pictures, of that of training pictures."""
    record = results["puzzle_sight"]
    return float(10 ** ((record["training_psnr"] - metric(record, "psnr")[0]) / 10))


def saved(sense: str) -> Callable[[Results], float]:
    """By how many bits at least (95 %) the other senses save more than the best of what is compared with them."""
    return lambda results: float(results["puzzle_common"]["metrics"][f"saved_{sense}"]["margin"]["low"])


def of_sounds(name: str, key: str) -> tuple[Ask, ...]:
    """What was asked of the codes of a set of sounds.

    Args:
        name: of the set, in words.
        key: of its results.
    """
    return (
        Ask(f"{name}, map: squared error", 5e-4, False, lambda all: all[key]["error"]),
        Ask(f"{name}: Spearman of codes and levels", 0.95, True, lambda all: all[key]["order"]["codes"]),
        Ask(
            f"{name}: test error, of training error",
            1.3,
            False,
            lambda all: all[key]["error"] / all[key]["training_error"],
        ),
        Ask(f"{name}: probe of codes, of cells before rounding", 0.95, True, lambda all: probe_ratio(all[key])),
        Ask(
            f"{name}, list of 900 digits: squared error, of components' in as many",
            1.05,
            False,
            lambda all: error_ratio(all[key], "list_error_db", "components in 900 digits"),
        ),
        Ask(
            f"{name}, first 300 digits of the list: the same",
            1.05,
            False,
            lambda all: error_ratio(all[key], "list_300_error_db", "components in 300 digits"),
        ),
    )


ASKS = (
    *of_sounds("words", "words"),
    *of_sounds("sounds of the playroom", "puzzle_sound"),
    Ask("sight, map: PSNR, dB", 30.5, True, lambda all: metric(all["puzzle_sight"], "psnr")[0]),
    Ask("sight: dB ahead of components in as many written bits", 0.5, True, ahead),
    Ask("sight: Spearman of codes and brightness", 0.9, True, lambda all: all["puzzle_sight"]["order"]["codes"]),
    Ask("sight: test error, of training error", 1.3, False, generalisation),
    Ask(
        "sight: codes that change where nothing moves",
        0.02,
        False,
        lambda all: all["puzzle_sight"]["stillness"]["changed_where_still"],
    ),
    Ask(
        "text, dense: bits a byte of unseen documentation",
        2.2,
        False,
        lambda all: metric(all["puzzle_text"], "bits_a_byte_documentation")[0],
    ),
    Ask("text, dense: bytes a grid", 1300, True, lambda all: metric(all["puzzle_text"], "bytes_a_grid")[0]),
    Ask("text, legible: bytes a grid", 600, True, lambda all: metric(all["puzzle_text"], "legible_bytes_a_grid")[0]),
    *(
        Ask(f"common space, {sense}: bits saved beyond the best baseline, at least", 0.0, True, saved(sense))
        for sense in ("sound", "sight", "text")
    ),
    Ask("next grid: bits, of those of counted persistence", 0.75, False, lambda all: all["puzzle_next"]["ratio"]),
)


def read(folder: Path) -> Results:
    """Results of a folder by evaluation; "words" are those of sounds of their own (`puzzle.sound.data`)."""
    found = {path.stem: json.loads(path.read_text()) for path in sorted((folder / "eval").glob("puzzle_*.json"))}
    if (folder / "data/puzzle_sound").exists() and "puzzle_sound" in found:
        found["words"] = found.pop("puzzle_sound")
    return found


def table(seeds: list[Results]) -> tuple[str, bool]:
    """The tables as Markdown, and whether all that was asked for came out."""
    lines, good = ["| | asked | came out, each seed | |", "|---|---|---|---|"], True
    for ask in ASKS:
        values = []
        for results in seeds:
            try:
                values.append(ask.value(results))
            except KeyError:
                continue
        if not values:
            continue
        met = all(ask.met(value) for value in values)
        good &= met
        numbers = ", ".join(f"{value:.3g}" if abs(value) < 1000 else f"{value:,.0f}" for value in values)
        sign = ">=" if ask.least else "<="
        lines.append(f"| {ask.what} | {sign} {ask.bound:g} | {numbers} | {'yes' if met else '**no**'} |")
    reports = [
        (f"{evaluation.removeprefix('puzzle_')}: {name.replace('_', ', ')}", record)
        for results in seeds
        for evaluation, found in results.items()
        for name, record in found.get("report", {}).items()
    ]
    if reports:
        lines += ["", "| code | numbers | squared error | untrained, three seeds | less, % | perplexity | codes used |"]
        lines += ["|---|---|---|---|---|---|---|"]
    for name, record in reports:
        trained, less = record["trained"], 100 * record["less_error"]
        before = ", ".join(f"{each['error']:.2g}" for each in record["untrained"])
        cells = [name, f"{record['parameters']:,}", f"{trained['error']:.2g}", before, f"{less:.1f}"]
        lines.append(f"| {' | '.join(cells)} | {trained['perplexity']:.2f} | {trained['codes_used']} |")
    return "\n".join(lines), good


def main() -> None:
    """Print the tables; with --docs put them into the page."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("results", type=Path, nargs="+", metavar="FOLDER", help="results of a seed")
    parser.add_argument("--docs", action="store_true", help=f"put the tables into {PAGE.name}")
    args = parser.parse_args()
    text, good = table([read(folder) for folder in args.results])
    print(text)
    if args.docs:
        page = between(PAGE.read_text(), MARK, text, str(PAGE))
        with atomic_path(PAGE) as temporary:
            temporary.write_text(page)
    sys.exit(not good)


if __name__ == "__main__":
    main()
