"""Does it learn? The whole workflow over several seeds, every metric with its baselines and ceiling, as tables.

    python benchmarks/learning.py                         seeds 0, 1, 2 of the default experiment
    python benchmarks/learning.py --seeds 3 4 --configfile config/tiny.yaml
    python benchmarks/learning.py --docs                  ... and put the tables and their figures into docs/
    python benchmarks/learning.py --lines generation --docs   only these lines of work; the others stay as they are

A seed is that of the recordings and their split, of every training and of every evaluation. Runs lie in
studies/learning/seed-N and go on where they were stopped. Exit 1 if any metric of any seed failed.
"""

from __future__ import annotations

import argparse
import json
import subprocess
import sys
from fnmatch import fnmatch
from pathlib import Path
from typing import Any

import yaml

from sensorium.config import Section
from sensorium.evaluation.statistics import baseline_values
from sensorium.planning.configuration import read_settings
from sensorium.settings import Config
from sensorium.studies.study import commit
from sensorium.studies.study_tables import between

ROOT = Path(__file__).resolve().parents[1]
DEFAULT = ROOT / "config/config.yaml"
PAGE, FIGURES = ROOT / "docs/results.md", ROOT / "docs/learning.json"
KEPT = ("value", "low", "high", "floor", "floor_name", "ceiling", "margin", "higher_is_better", "passed")
LINES = {  # line of work -> its evaluations
    "perception": (
        "probe_vision",
        "probe_audio",
        "few_shot",
        "zero_shot",
        "properties",
        "retrieval",
        "world_state",
        "finetuning",
    ),
    "forecasting": ("motion", "causal", "fields"),
    "generation": (
        "reconstruction",
        "sound_reconstruction",
        "rollout",
        "uncertainty",
        "counterfactual",
        "drift",
        "control",
        "dreamed_sound",
    ),
    "agent": ("agent_return",),
    "puzzle codes": ("puzzle_sound", "puzzle_sight", "puzzle_text", "puzzle_common", "puzzle_next"),
    "music": ("music_transfer", "sound_coding"),
}
UNITS = {  # unit -> patterns of "evaluation.metric"
    "dB": (
        "*.psnr*",
        "puzzle_sound.error_db*",
        "*.snr",
        "*.log_spectral_distance",
        "rollout.action_effect",
        "dreamed_sound.loudness_spread",
        "music_transfer.*si_sdr",
        "sound_coding.si_sdr",
        "sound_coding.mel_db",
    ),
    "share of the truth's margin": ("music_transfer.*transfer", "music_transfer.*rhythm", "music_transfer.*harmony"),
    "SSIM": ("*.ssim*",),
    "bits": ("puzzle_common.*", "puzzle_next.*"),
    "bits a byte": ("puzzle_text.bits_a_byte_*",),
    "bytes": ("puzzle_text.*bytes_a_grid",),
    "share of grids": ("puzzle_text.repaired", "puzzle_text.silent_errors"),
    "accuracy": ("probe_*", "few_shot.*", "zero_shot.*"),
    "R^2": ("properties.*", "world_state.*", "fields.*"),
    "rank": ("retrieval.*_median_rank",),
    "share found": ("retrieval.*_r1", "retrieval.*_r5", "retrieval.*_r10"),
    "score": ("finetuning.*",),
    "correlation": ("motion.spread_error", "dreamed_sound.agreement"),
    "room widths": ("motion.*_error", "motion.action_effect", "causal.abduction"),
    "nats": ("motion.likelihood",),
    "cosine": ("causal.*_effect", "counterfactual.*", "control.own_actions"),
    "AUC": ("causal.but_for", "dreamed_sound.onset_auc_*"),
    "full scale": ("uncertainty.crps", "uncertainty.*energy"),
    "log ratio": ("uncertainty.few_steps_*",),
    "share of frames": ("control.hand_*", "control.felt_*"),
    "a second": ("dreamed_sound.onset_rate",),
    "none": ("drift.*", "sound_coding.spectral_distance"),
    "reward": ("agent_return.*",),
}
DYNAMICS = "Next: bodies that move as wholes, and a felt place that does not drift."
SOUND = "Open: a ridge from context and actions foretells impacts better than what dreams show of them."
BEING_DONE = {  # about a metric that does not clear its best baseline: patterns -> one sentence, the first that fits
    "uncertainty.few_steps_*": "Next: samples in four steps that differ as much as those in 64.",
    **dict.fromkeys(("rollout.*", "uncertainty.*", "drift.*", "control.*", "counterfactual.*"), DYNAMICS),
    **dict.fromkeys(("dreamed_sound.*", "sound_reconstruction.*"), SOUND),
    "reconstruction.*": "The default run has lossless patches instead.",
    "fields.*": "Open: the encoder's grid over three frames holds more than the state that is made of it.",
    "world_state.*": "Open: the encoder's grid over three frames holds more than the state that is made of it.",
    "motion.*": "Open: a ridge regression predicts the states as well; they hold little that is not linear.",
    "causal.*": "Open: whether the hand meets the body is a matter of less than the error of its place.",
    "*_vision.*": "Open: the task counts bodies, and colours give their number away.",
    "few_shot.vision_*": "Open: the task counts bodies, and colours give their number away.",
    "*audio*": "Open: impacts without other noise are distinguished by their cepstra.",
    "properties.*": "Open: plain features of the picture around the body and of its sound hold as much.",
    "zero_shot.*": "Open: plain features of pictures and sounds hold the attributes, too.",
    "*": "Open: nothing was tried yet.",
}


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


def run(folder: Path, seed: int, presets: list[Path], lines: list[str]) -> dict[str, Any]:
    """Metrics of one seed: "evaluation.metric" -> what results/eval/EVALUATION.json says of it.

    Args:
        folder: of the run.
        seed: of everything.
        presets: files laid over the default one, in order.
        lines: of work that are run; empty: all that are switched on.
    """
    folder.mkdir(parents=True, exist_ok=True)
    layer = folder / "seed.yaml"
    layer.write_text(
        yaml.safe_dump({part: seeds for part, seeds in seeded(Config(), seed).items() if part != "studies"})
    )
    files = [path.resolve() for path in (DEFAULT, *presets, layer)]
    on = read_settings(files[1:], files[0]).evaluations_on()
    names = [name for name in on if not lines or line_of(name) in lines]
    targets = [f"results/eval/{name}.json" for name in names] if lines else ["all"]
    command = ["snakemake", "--profile", "local", "-j1", *targets, "--directory", str(folder), "--configfile"]
    subprocess.run([*command, *map(str, files)], cwd=ROOT, check=True)
    results = {name: json.loads((folder / f"results/eval/{name}.json").read_text()) for name in names}
    return {f"{name}.{key}": metric for name, result in results.items() for key, metric in result["metrics"].items()}


def line_of(metric: str) -> str:
    """The line of work that an evaluation, or an "evaluation.metric", belongs to.

    Raises:
        SystemExit: if no line has that evaluation.
    """
    evaluation = metric.partition(".")[0]
    for line, evaluations in LINES.items():
        if evaluation in evaluations:
            return line
    raise SystemExit(f"{metric}: no line of work has the evaluation {evaluation}; add it to LINES in {__file__}")


def unit_of(metric: str) -> str:
    """Unit of an "evaluation.metric".

    Raises:
        SystemExit: if none is written down for it.
    """
    for unit, patterns in UNITS.items():
        if any(fnmatch(metric, pattern) for pattern in patterns):
            return unit
    raise SystemExit(f"{metric}: has no unit; add it to UNITS in {__file__}")


def digits(number: float, sign: str = "-") -> str:
    """Three significant digits; with `sign` "+" positive numbers have theirs, too."""
    return f"{number:{sign}#.3g}".rstrip(".")


def table(seeds: dict[str, dict[str, Any]], line: str) -> str:
    """Markdown: every metric of a line of work beside every baseline, means over the seeds; what fails comes first."""
    rows = [
        "| metric | unit | value | baselines, the best first | ceiling | margin, at least | passed |",
        "|---|---|---|---|---|---|---|",
    ]
    names = [name for name in next(iter(seeds.values())) if line_of(name) == line]
    for name in sorted(names, key=lambda name: passes(seeds, name) == len(seeds)):
        found = [metrics[name] for metrics in seeds.values()]
        value, ceiling = (digits(mean_of(found, key)) for key in ("value", "ceiling"))
        beside = "; ".join(f"{other} {digits(score)}" for other, score in baselines_of(found).items())
        margin = digits(min(metric["margin"]["low"] for metric in found), "+")
        passed = passes(seeds, name)
        verdict = f"{passed} of {len(found)}" if passed == len(found) else f"**{passed} of {len(found)}**"
        rows.append(
            f"| {named(seeds, name)} | {unit_of(name)} | {value} | {beside} | {ceiling} | {margin} | {verdict} |"
        )
    return "\n".join(rows)


def failures(seeds: dict[str, dict[str, Any]]) -> str:
    """Markdown: the metrics that do not clear their best baseline with every seed, by what is being done about them.

    Raises:
        SystemExit: if nothing is said of one of them.
    """
    done: dict[str, list[str]] = {}
    for name in next(iter(seeds.values())):
        found = [metrics[name] for metrics in seeds.values()]
        if passes(seeds, name) < len(found):
            best, score = next(iter(baselines_of(found).items()))
            said = f"{named(seeds, name)} {digits(mean_of(found, 'value'))}, {best} {digits(score)}"
            done.setdefault(being_done(name), []).append(said)
    rows = ["| what fails: metric, value, best baseline | what is being done |", "|---|---|"]
    return "\n".join([*rows, *(f"| {'<br>'.join(metrics)} | {sentence} |" for sentence, metrics in done.items())])


def passes(seeds: dict[str, dict[str, Any]], name: str) -> int:
    """With how many seeds a metric passes."""
    return sum(metrics[name]["passed"] for metrics in seeds.values())


def mean_of(found: list[dict[str, Any]], key: str) -> float:
    """Mean of a number over the seeds."""
    return float(sum(metric[key] for metric in found) / len(found))


def named(seeds: dict[str, dict[str, Any]], name: str) -> str:
    """The metric's name, with a word where less is better."""
    return name + ("" if next(iter(seeds.values()))[name]["higher_is_better"] else " (less is better)")


def baselines_of(found: list[dict[str, Any]]) -> dict[str, float]:
    """Mean score of each baseline over the seeds of a metric, the best first; untrained networks as their best."""
    sign = 1 if found[0]["higher_is_better"] else -1
    scores: dict[str, list[float]] = {}
    for metric in found:
        own: dict[str, float] = {}
        for name, score in metric["baselines"].items():
            kind = name.rstrip("0123456789 ") if name.startswith("untrained") else name
            own[kind] = score if kind not in own else sign * max(sign * score, sign * own[kind])
        for kind, score in own.items():
            scores.setdefault(kind, []).append(score)
    means = {name: sum(values) / len(values) for name, values in scores.items()}
    return dict(sorted(means.items(), key=lambda item: (-sign * item[1], item[0])))


def being_done(metric: str) -> str:
    """What is being done about an "evaluation.metric" that does not clear its best baseline.

    Raises:
        SystemExit: if nothing is written down for it.
    """
    for pattern, sentence in BEING_DONE.items():
        if fnmatch(metric, pattern):
            return sentence
    raise SystemExit(f"{metric}: does not clear its best baseline; say in BEING_DONE of {__file__} what is being done")


def lines_in(seeds: dict[str, dict[str, Any]]) -> list[str]:
    """Lines of work that have a metric, in the order of LINES."""
    there = {line_of(name) for name in next(iter(seeds.values()))}
    return [line for line in LINES if line in there]


def with_tables(page: str, seeds: dict[str, dict[str, Any]]) -> str:
    """The page with the table of what fails, and that of each line of work, between their marks."""
    lines = lines_in(seeds)
    page = between(page, "learning: failures", failures(seeds), str(PAGE))
    for line in lines:
        page = between(page, f"learning: {line}", table(seeds, line), str(PAGE))
    return page


def kept_of(metric: dict[str, Any]) -> dict[str, Any]:
    """What docs keep of a record: its numbers, and the score of each baseline by its name."""
    return {key: metric[key] for key in KEPT} | {"baselines": baseline_values(metric)}


def publish(seeds: dict[str, dict[str, Any]], lines: list[str]) -> None:
    """Write the tables into docs/results.md, and the figures that they are made of into docs/learning.json.

    Args:
        seeds: what docs keep of the metrics of each seed.
        lines: of work that were run; the figures of the others stay as they are. Empty: all.
    """
    before, commits = json.loads(FIGURES.read_text()), {line: commit() for line in lines or LINES}
    if lines:
        commits = before["commits"] | commits
        seeds = {seed: others(before["seeds"][seed], lines) | metrics for seed, metrics in seeds.items()}
    found = {"commits": commits, "seeds": seeds}
    FIGURES.write_text(json.dumps(found, indent=1, sort_keys=True) + "\n")
    PAGE.write_text(with_tables(PAGE.read_text(), json.loads(FIGURES.read_text())["seeds"]))


def others(metrics: dict[str, Any], lines: list[str]) -> dict[str, Any]:
    """The metrics of all lines of work but these."""
    return {name: metric for name, metric in metrics.items() if line_of(name) not in lines}


def main() -> int:
    """Run every seed, print the tables and write them beside the runs."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--seeds", type=int, nargs="+", default=[0, 1, 2])
    parser.add_argument("--configfile", type=Path, nargs="*", default=[], help="presets that override config.yaml")
    parser.add_argument("--output", type=Path, default=ROOT / "studies/learning")
    parser.add_argument("--lines", nargs="+", choices=LINES, default=[], help="lines of work; without it all")
    parser.add_argument("--docs", action="store_true", help="put the tables into docs/results.md")
    args = parser.parse_args()
    seeds = {str(seed): run(args.output / f"seed-{seed}", seed, args.configfile, args.lines) for seed in args.seeds}
    kept = {seed: {name: kept_of(metric) for name, metric in metrics.items()} for seed, metrics in seeds.items()}
    text = "\n\n".join(f"{line}\n\n{table(kept, line)}" for line in lines_in(seeds)) + "\n"
    (args.output / "table.md").write_text(text)
    print(text)
    if args.docs:
        publish(kept, args.lines)
    return int(not all(metric["passed"] for metrics in seeds.values() for metric in metrics.values()))


if __name__ == "__main__":
    sys.exit(main())
