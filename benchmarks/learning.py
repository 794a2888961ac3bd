"""Does it learn? The whole workflow over several seeds, every metric beside its floor, as a table.

    python benchmarks/learning.py                         seeds 0, 1, 2 of the default experiment
    python benchmarks/learning.py --seeds 3 4 --configfile config/tiny.yaml
    python benchmarks/learning.py --docs                  ... and put the table and its figures into docs/

A seed is that of the recordings and their split, of every training and of every evaluation. Runs lie in
studies/learning/seed-N and go on where they were stopped. Exit 1 if any metric of any seed failed.
"""

from __future__ import annotations

import argparse
import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import yaml

from sensorium.config import Section
from sensorium.settings import Config
from sensorium.studies.study import commit
from sensorium.studies.study_tables import between

ROOT = Path(__file__).resolve().parents[1]
DEFAULT = ROOT / "config/config.yaml"
PAGE, FIGURES = ROOT / "docs/results.md", ROOT / "docs/learning.json"
KEPT = ("value", "low", "high", "floor", "ceiling", "margin", "higher_is_better", "passed")


def seeded(section: Section, seed: int) -> dict[str, Any]:
    """Only the seeds of a section and of all sections below it, set to `seed`: a layer for --configfile."""
    layer: dict[str, Any] = {}
    for name in type(section).model_fields:
        value = getattr(section, name)
        if name == "seed":
            layer[name] = seed
        elif isinstance(value, Section) and (below := seeded(value, seed)):
            layer[name] = below
    return layer


def run(folder: Path, seed: int, presets: list[Path]) -> dict[str, Any]:
    """Metrics of one seed: "evaluation.metric" -> what results/eval.json says of it."""
    folder.mkdir(parents=True, exist_ok=True)
    layer = folder / "seed.yaml"
    layer.write_text(yaml.safe_dump(seeded(Config(), seed)))
    files = [str(path.resolve()) for path in (DEFAULT, *presets, layer)]
    command = ["snakemake", "--profile", "local", "-j1", "--directory", str(folder), "--configfile", *files]
    subprocess.run(command, cwd=ROOT, check=True)
    evaluations = json.loads((folder / "results/eval.json").read_text())["evaluations"]
    return {
        f"{name}.{key}": metric for name, result in evaluations.items() for key, metric in result["metrics"].items()
    }


def table(seeds: dict[str, dict[str, Any]]) -> str:
    """Markdown: for every metric and seed the value, its best floor and the interval of the margin between them."""
    lines = ["| metric | " + " | ".join(f"seed {seed}: value, floor, margin" for seed in seeds) + " | passed |"]
    lines.append("|---|" + "---|" * (len(seeds) + 1))
    for name in next(iter(seeds.values())):
        found = [metrics[name] for metrics in seeds.values()]
        cells = [
            f"{m['value']:.3f}, {m['floor']:.3f}, [{m['margin']['low']:+.3f}, {m['margin']['high']:+.3f}]"
            for m in found
        ]
        passed = sum(metric["passed"] for metric in found)
        lines.append(f"| {name} | " + " | ".join(cells) + f" | {passed} of {len(found)} |")
    return "\n".join(lines) + "\n"


def with_table(page: str, seeds: dict[str, dict[str, Any]]) -> str:
    """The page with the table of the seeds between its marks."""
    return between(page, "learning", table(seeds).rstrip(), str(PAGE))


def publish(seeds: dict[str, dict[str, Any]]) -> None:
    """Write the table into docs/results.md, and what it is made of beside it."""
    kept = {
        seed: {name: {key: metric[key] for key in KEPT} for name, metric in metrics.items()}
        for seed, metrics in seeds.items()
    }
    FIGURES.write_text(json.dumps({"commit": commit(), "seeds": kept}, indent=1, sort_keys=True) + "\n")
    PAGE.write_text(with_table(PAGE.read_text(), kept))


def main() -> int:
    """Run every seed, print the table and write it beside the runs."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--seeds", type=int, nargs="+", default=[0, 1, 2])
    parser.add_argument("--configfile", type=Path, nargs="*", default=[], help="presets, laid over config.yaml")
    parser.add_argument("--output", type=Path, default=ROOT / "studies/learning")
    parser.add_argument("--docs", action="store_true", help="put the table into docs/results.md")
    args = parser.parse_args()
    seeds = {str(seed): run(args.output / f"seed-{seed}", seed, args.configfile) for seed in args.seeds}
    text = table(seeds)
    (args.output / "table.md").write_text(text)
    print(text)
    if args.docs:
        publish(seeds)
    return int(not all(metric["passed"] for metrics in seeds.values() for metric in metrics.values()))


if __name__ == "__main__":
    sys.exit(main())
