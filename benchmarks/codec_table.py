"""The table of the codec in docs/music.md: every codec and rate, at the bits that were written.

python benchmarks/codec_table.py results/eval/sound_coding.json          prints it ...
python benchmarks/codec_table.py results/eval/sound_coding.json --docs   ... and puts it into docs/music.md
"""

from __future__ import annotations

import argparse
import json
import sys
from pathlib import Path
from typing import Any

from sensorium.artifacts import atomic_path
from sensorium.studies.study_tables import between

PAGE = Path(__file__).resolve().parents[1] / "docs/music.md"
MARK, MODEL = "coding", "codec"
COLUMNS = {"si_sdr": ".2f", "mel_db": ".2f", "spectral_distance": ".3f"}


def coding_table(result: dict[str, Any]) -> str:
    """Rows by their bits; the codec's with its intervals, and below whether each metric passed."""
    songs = next(iter(result["metrics"].values()))["n"]
    lines = [
        f"{songs} test songs; what the codec is compared with is marked by a star",
        "",
        "| coder | kbit/s, written | SI-SDR, dB | mel, dB | three resolutions | ViSQOL |",
        "|---" * 6 + "|",
    ]
    for name, row in sorted(result["rows"].items(), key=lambda item: (item[1]["kbps"], -item[1]["si_sdr"])):
        shown = [f"{row[each]:{form}}" for each, form in COLUMNS.items()]
        if name == MODEL:
            records = [(result["metrics"][each], form) for each, form in COLUMNS.items()]
            shown = [f"{r['value']:{form}} [{r['low']:{form}}, {r['high']:{form}}]" for r, form in records]
        opinion = "-" if row["visqol"] is None else f"{row['visqol']:.2f}"
        title = f"**{name}**" if name == MODEL else name + " *" * (name in result["compared_with"])
        lines.append(f"| {title} | {row['kbps']:.2f} | {' | '.join(shown)} | {opinion} |")
    lines.append("")
    for name, record in result["metrics"].items():
        margin, form = record["margin"], COLUMNS[name]
        interval = f"{margin['value']:{form}} [{margin['low']:{form}}, {margin['high']:{form}}]"
        passed = "passes" if record["passed"] else "does not pass"
        lines.append(f"- `{name}` {passed}: {interval} better than {record['floor_name']}.")
    return "\n".join(lines)


def main(argv: list[str]) -> None:
    """Print the table, and perhaps write it into the page."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("result", type=Path, metavar="JSON", help="of sound_coding")
    parser.add_argument("--docs", action="store_true", help=f"also write into {PAGE.name}")
    args = parser.parse_args(argv)
    text = coding_table(json.loads(args.result.read_text()))
    print(text)
    if args.docs:
        page = between(PAGE.read_text(), MARK, text, "docs/music.md")
        with atomic_path(PAGE) as temporary:
            temporary.write_text(page)


if __name__ == "__main__":
    main(sys.argv[1:])
