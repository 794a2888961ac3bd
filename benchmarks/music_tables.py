"""The tables of docs/music.md: how a mask was judged on each source of songs, and how often beats are found.

python benchmarks/learning.py --seeds 0 1 2 --configfile config/music-soundfonts.yaml
python benchmarks/music_tables.py studies/learning/seed-*/results/eval/music_transfer.json    prints the first ...
python benchmarks/music_tables.py --docs ...                                  ... and puts it into docs/music.md
python benchmarks/music_tables.py --beats --docs                              200 songs are composed and heard
"""

from __future__ import annotations

import argparse
import json
import sys
from pathlib import Path
from typing import Any

from sensorium.artifacts import atomic_path
from sensorium.music.evaluation.beat_scores import SCORES, heard_songs, scores_of
from sensorium.studies.study_tables import between

PAGE = Path(__file__).resolve().parents[1] / "docs/music.md"
SONGS, SEED, BARS = 200, 300, 8  # that are heard
OWN, MODEL, MEDIANS = "own", "network", "median filters"
TITLES = {
    OWN: "own synthesis, songs and instruments that no training has",
    "soundfont": "composed here, on a soundfont",
    "people": "written by people, on that soundfont",
}


def transfer_table(results: list[dict[str, Any]]) -> str:
    """Every row of every source, means over the seeds; of the network each seed, too, with its interval."""
    parts = [{OWN: result, **result["unseen"]} for result in results]
    lines = []
    for source in parts[0]:
        found = [part[source] for part in parts]
        prefix = "" if source == OWN else f"{source}_"
        ratios, transfers = (
            [result["metrics"][f"{prefix}{name}"] for result in results] for name in ("si_sdr", "transfer")
        )
        lines += [
            f"**{TITLES[source]}** ({ratios[0]['n']} pairs, {len(results)} seeds)",
            "",
            "| answer | SI-SDR, dB | `transfer` | rhythm | harmony | stem gains dA hA dB hB | copy | mel, dB |",
            "|---" * 8 + "|",
        ]
        for name in sorted(found[0]["rows"], key=lambda name: -_mean(found, name, "si_sdr")):
            shown = [f"{_mean(found, name, 'si_sdr'):.2f}"]
            shown += [f"{_mean(found, name, each):.3f}" for each in ("transfer", "rhythm", "harmony")]
            gains = " ".join(
                f"{sum(part['rows'][name]['stem_gains'][stem] for part in found) / len(found):.2f}" for stem in range(4)
            )
            title = f"**{name}**" if name == MODEL else name
            copied, mel = _mean(found, name, "copy"), _mean(found, name, "mel_db")
            lines.append(f"| {title} | {' | '.join(shown)} | {gains} | {copied:.2f} | {mel:.1f} |")
        lines += ["", "The network, seed by seed: SI-SDR; `transfer`; dB above median filters, pair by pair:", ""]
        for number, (ratio, transfer) in enumerate(zip(ratios, transfers, strict=True)):
            margin = next(each for each in ratio["baselines"] if each["name"] == MEDIANS)["margin"]
            lines.append(f"- {number}: {_interval(ratio, 2)}; {_interval(transfer, 3)}; {_interval(margin, 2)}")
        lines.append("")
    return "\n".join(lines).rstrip()


def _mean(parts: list[dict[str, Any]], name: str, number: str) -> float:
    return sum(float(part["rows"][name][number]) for part in parts) / len(parts)


def _interval(record: dict[str, Any], digits: int) -> str:
    return f"{record['value']:.{digits}f} [{record['low']:.{digits}f}, {record['high']:.{digits}f}]"


def beats_table(songs: int, seed: int, bars: int) -> str:
    """Shares of songs whose tempo, beats and bars are found, by the estimate and by constants."""
    lines = ["| answer | " + " | ".join(SCORES) + " |", "|---" * (1 + len(SCORES)) + "|"]
    for name, scores in scores_of(heard_songs(songs, seed, bars)).items():
        lines.append(f"| {name} | " + " | ".join(f"{scores[each]:.3f}" for each in SCORES) + " |")
    return "\n".join(lines)


def main(argv: list[str]) -> None:
    """Print a table, and perhaps write it into the page."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("results", type=Path, nargs="*", metavar="JSON", help="of music_transfer, one a seed")
    parser.add_argument("--beats", action="store_true", help="the table of tempi and downbeats")
    parser.add_argument("--docs", action="store_true", help=f"also write into {PAGE.name}")
    args = parser.parse_args(argv)
    if bool(args.results) == args.beats:
        parser.error("name results, or --beats")
    mark = "beats" if args.beats else "transfer"
    results = [json.loads(path.read_text()) for path in args.results]
    text = beats_table(SONGS, SEED, BARS) if args.beats else transfer_table(results)
    print(text)
    if args.docs:
        page = between(PAGE.read_text(), mark, text, "docs/music.md")
        with atomic_path(PAGE) as temporary:
            temporary.write_text(page)


if __name__ == "__main__":
    main(sys.argv[1:])
