"""The tables of docs/music.md: how a mask was judged on each source of songs, and how often beats are found.

python benchmarks/music_tables.py results/eval/music_transfer.json          prints the first ...
python benchmarks/music_tables.py results/eval/music_transfer.json --docs   ... and puts it into docs/music.md
python benchmarks/music_tables.py --beats --docs                            200 songs are composed and heard
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


def transfer_table(result: dict[str, Any]) -> str:
    """Every row of every source, and the paired difference to median filters."""
    lines = []
    for source, part in {OWN: result, **result["unseen"]}.items():
        prefix = "" if source == OWN else f"{source}_"
        ratio, transfer = (result["metrics"][f"{prefix}{name}"] for name in ("si_sdr", "transfer"))
        lines += [
            f"**{TITLES[source]}** ({ratio['n']} pairs)",
            "",
            "| answer | SI-SDR, dB | `transfer` | rhythm | harmony | stem gains dA hA dB hB | copy | mel, dB |",
            "|---" * 8 + "|",
        ]
        for name, row in sorted(part["rows"].items(), key=lambda item: -item[1]["si_sdr"]):
            shown = [f"{row['si_sdr']:.2f}", *(f"{row[each]:.3f}" for each in ("transfer", "rhythm", "harmony"))]
            if name == MODEL:
                shown[:2] = (
                    f"{record['value']:{form}} [{record['low']:{form}}, {record['high']:{form}}]"
                    for record, form in ((ratio, ".2f"), (transfer, ".3f"))
                )
            gains = " ".join(f"{gain:.2f}" for gain in row["stem_gains"])
            title = f"**{name}**" if name == MODEL else name
            lines.append(f"| {title} | {' | '.join(shown)} | {gains} | {row['copy']:.2f} | {row['mel_db']:.1f} |")
        margin = next(each for each in ratio["baselines"] if each["name"] == MEDIANS)["margin"]
        lines += [
            "",
            f"The network is {margin['value']:.2f} dB [{margin['low']:.2f}, {margin['high']:.2f}] above {MEDIANS}.",
            "",
        ]
    return "\n".join(lines).rstrip()


def beats_table(songs: int, seed: int, bars: int) -> str:
    """Shares of songs whose tempo, beats and bars are found, by the estimate and by constants."""
    lines = ["| answer | " + " | ".join(SCORES) + " |", "|---" * (1 + len(SCORES)) + "|"]
    for name, scores in scores_of(heard_songs(songs, seed, bars)).items():
        lines.append(f"| {name} | " + " | ".join(f"{scores[each]:.3f}" for each in SCORES) + " |")
    return "\n".join(lines)


def main(argv: list[str]) -> None:
    """Print a table, and perhaps write it into the page."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("result", type=Path, nargs="?", metavar="JSON", help="of music_transfer")
    parser.add_argument("--beats", action="store_true", help="the table of tempi and downbeats")
    parser.add_argument("--docs", action="store_true", help=f"also write into {PAGE.name}")
    args = parser.parse_args(argv)
    if (args.result is None) != args.beats:
        parser.error("name a result, or --beats")
    mark = "beats" if args.beats else "transfer"
    text = beats_table(SONGS, SEED, BARS) if args.beats else transfer_table(json.loads(args.result.read_text()))
    print(text)
    if args.docs:
        page = between(PAGE.read_text(), mark, text, "docs/music.md")
        with atomic_path(PAGE) as temporary:
            temporary.write_text(page)


if __name__ == "__main__":
    main(sys.argv[1:])
