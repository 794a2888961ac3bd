"""The tables of docs/music.md: how a mask was judged on each source of songs, and what is found of beats and strokes.

python benchmarks/learning.py --seeds 0 1 2 --configfile config/music-soundfonts.yaml
python benchmarks/music_tables.py studies/learning/seed-*/results/eval/music_transfer.json    prints the first ...
python benchmarks/music_tables.py --docs ...                            ... and puts it into docs/music.md
python benchmarks/music_tables.py --beats --docs                        200 songs are composed and heard
python benchmarks/music_tables.py --strokes --docs                      drums of 60 songs as MIDI; --mask MANIFEST
python benchmarks/music_tables.py --bars --docs                         bars beyond the end of 40 songs, and with
    --soundfont FILE.sf3 --midi FOLDER ...                              ... those of 40 songs by people
"""

from __future__ import annotations

import argparse
import json
import sys
from pathlib import Path
from typing import Any

from sensorium.artifacts import atomic_path
from sensorium.models.load import load
from sensorium.music.evaluation.bar_scores import (
    AGAINST,
    RULE,
    Passage,
    difference,
    mean_score,
    own_passages,
    peoples_passages,
    scores_of_bars,
)
from sensorium.music.evaluation.beat_scores import SCORES, heard_songs, scores_of
from sensorium.music.evaluation.stroke_scores import SCORES as STROKES
from sensorium.music.evaluation.stroke_scores import stroke_scores
from sensorium.music.mask_network import MaskNetwork
from sensorium.studies.study_tables import between

PAGE = Path(__file__).resolve().parents[1] / "docs/music.md"
SONGS, SEED, BARS = 200, 300, 8  # that are heard
DRUMMED, DRUMMED_SEED = 60, 100  # songs whose strokes are found, of eight bars, too
CONTINUED, CONTINUED_SEED, AHEAD_SHOWN = 40, 100, (1, 2, 4, 8)  # songs of each source that go on
BAR_TITLES = {
    "strokes": "strokes, F1",
    "pitches": "pitch classes a beat, cosine",
    "onsets": "onset strength, correlation",
    "chroma": "chroma, cosine",
}
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


def strokes_table(songs: int, seed: int, bars: int, mask: Path | None) -> str:
    """F1 of strokes at 50 ms with intervals over songs, of any stroke and of each kind."""
    network = None if mask is None else load(MaskNetwork, mask)
    lines = ["| strokes of | " + " | ".join(STROKES) + " |", "|---" * (1 + len(STROKES)) + "|"]
    for name, scores in stroke_scores(songs, seed, bars, network).items():
        shown = ("{:.3f} [{:.3f}, {:.3f}]".format(*scores[each]) for each in STROKES)
        lines.append(f"| {name} | " + " | ".join(shown) + " |")
    return "\n".join(lines)


def bars_table(passages: list[Passage], title: str) -> str:
    """Scores of each answer over the horizon, and the paired differences to four bars that are repeated."""
    found = scores_of_bars(passages)
    lines = []
    for score, meaning in BAR_TITLES.items():
        lines += [
            f"**{title}: {meaning}** ({len(passages)} songs)",
            "",
            "| answer | all eight bars | "
            + " | ".join(f"bar {ahead}" for ahead in AHEAD_SHOWN)
            + " | minus last four |",
            "|---" * (3 + len(AHEAD_SHOWN)) + "|",
        ]
        for name, scores in found.items():
            if score not in scores:
                continue
            values = [mean_score(score, scores[score])]
            values += [mean_score(score, scores[score][:, ahead - 1 : ahead]) for ahead in AHEAD_SHOWN]
            shown = " | ".join(f"{value:.3f}" for value in values)
            less = "{:+.3f} [{:+.3f}, {:+.3f}]".format(*difference(score, scores[score], found[AGAINST][score]))
            lines.append(f"| {f'**{name}**' if name == RULE else name} | {shown} | {less} |")
        lines.append("")
    return "\n".join(lines)


def all_bars(soundfont: Path | None, folders: list[Path]) -> str:
    """Of songs that are composed here and, where a soundfont is named, of songs by people."""
    sources = {"composed here": list(own_passages(CONTINUED, CONTINUED_SEED))}
    if soundfont:
        sources["by people"] = list(peoples_passages(CONTINUED, CONTINUED_SEED, soundfont, folders))
    return "\n".join(bars_table(passages, title) for title, passages in sources.items()).rstrip()


def main(argv: list[str]) -> None:
    """Print a table, and perhaps write it into the page."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("results", type=Path, nargs="*", metavar="JSON", help="of music_transfer, one a seed")
    parser.add_argument("--beats", action="store_true", help="the table of tempi and downbeats")
    parser.add_argument("--strokes", action="store_true", help="the table of strokes")
    parser.add_argument("--mask", type=Path, metavar="MANIFEST", help="a trained mask, for a row of that table")
    parser.add_argument("--bars", action="store_true", help="the tables of bars beyond the end")
    parser.add_argument("--soundfont", type=Path, metavar="FILE", help="on which songs by people are played")
    parser.add_argument("--midi", type=Path, nargs="+", default=[], metavar="FOLDER", help="of songs by people")
    parser.add_argument("--docs", action="store_true", help=f"also write into {PAGE.name}")
    args = parser.parse_args(argv)
    if bool(args.results) + args.beats + args.strokes + args.bars != 1:
        parser.error("name results, or --beats, --strokes or --bars")
    if args.beats:
        mark, text = "beats", beats_table(SONGS, SEED, BARS)
    elif args.strokes:
        mark, text = "strokes", strokes_table(DRUMMED, DRUMMED_SEED, BARS, args.mask)
    elif args.bars:
        mark, text = "bars", all_bars(args.soundfont, args.midi)
    else:
        mark, text = "transfer", transfer_table([json.loads(path.read_text()) for path in args.results])
    print(text)
    if args.docs:
        page = between(PAGE.read_text(), mark, text, "docs/music.md")
        with atomic_path(PAGE) as temporary:
            temporary.write_text(page)


if __name__ == "__main__":
    main(sys.argv[1:])
