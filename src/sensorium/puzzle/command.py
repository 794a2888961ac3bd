"""Write a file on grids of 30 x 30 digits, read it back, or show what a grid holds.

    sensorium puzzle encode NOTES.txt -o NOTES.grid         374 bytes a grid
    sensorium puzzle decode NOTES.grid -o NOTES.txt         exactly what was written
    sensorium puzzle show NOTES.grid -o NOTES.png           its digits, and a picture of each grid

A text is any file of bytes. A file of grids holds 374 bytes for each, or the digits themselves, 900 for each, as `show`
prints them.
"""

from __future__ import annotations

import argparse
import re
from pathlib import Path

import numpy as np

from sensorium.artifacts import MANIFEST, atomic_path
from sensorium.progress import say
from sensorium.puzzle import dense_text, text_codes
from sensorium.puzzle.grid import CELLS, MOST_GRIDS, PACKED, GridError, as_text, from_text, read_grids, write_grids
from sensorium.puzzle.pages import CELLS_A_SYMBOL, Text
from sensorium.puzzle.text_codes import LAYOUTS, TextCodes

DEFAULT_MODEL = Path("results/puzzle/text") / MANIFEST
NO_MODEL = "none"
TEXTS = (".txt", ".md", ".rst", ".py", ".json", ".csv", ".html", ".xml", ".yaml", ".toml", ".log")
SENSES = ("text",)
_DIGITS = re.compile(rb"[0-9\s]+")


def main(argv: list[str]) -> None:
    """Run `sensorium puzzle`."""
    parser = argparse.ArgumentParser(
        prog="sensorium puzzle", description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    actions = parser.add_subparsers(dest="action", required=True, metavar="encode | decode | show")
    for action, run in (("encode", encode), ("decode", decode), ("show", show)):
        own = actions.add_parser(action, help=(run.__doc__ or "").split(".")[0].lower())
        own.add_argument("file", type=Path, metavar="FILE")
        own.add_argument("-o", "--output", type=Path, required=True, metavar="OUT")
        model = f"manifest of the text codes, or {NO_MODEL}; by default {DEFAULT_MODEL}"
        own.add_argument("--model", metavar="MANIFEST", help=model)
        own.set_defaults(run=run)
        if action == "encode":
            own.add_argument("--sense", choices=SENSES, help="what the file holds; by default its name tells")
            layouts = "dense: as much as possible on a grid; legible: three cells a word, for models to read"
            own.add_argument("--layout", choices=LAYOUTS, default="dense", help=layouts)
    args = parser.parse_args(argv)
    args.run(args)


def encode(args: argparse.Namespace) -> None:
    """Write a file on grids."""
    if args.sense is None and args.file.suffix.lower() not in TEXTS:
        raise GridError(
            f"{args.file}: its name does not tell what it holds; texts end in {', '.join(TEXTS)}. To write its bytes "
            "exactly, whatever they are, add --sense text"
        )
    size = args.file.stat().st_size
    if size > dense_text.LONGEST:
        raise GridError(f"{args.file}: {size} bytes; a text has at most {dense_text.LONGEST}; split it")
    text, codes = args.file.read_bytes(), _codes(args.model)
    if codes is None and args.layout == "legible":
        raise GridError(f"the legible layout takes the words of an artifact, and --model is {NO_MODEL}")
    grids = dense_text.encode(text) if codes is None else codes.encode(text, args.layout)
    write_grids(args.output, grids)
    bits = 8 * PACKED * len(grids) / max(1, len(text))
    say(f"{args.output}: {len(text)} bytes, grids: {len(grids)}, {PACKED * len(grids)} bytes ({bits:.2f} bits a byte)")


def decode(args: argparse.Namespace) -> None:
    """Read a file back from grids."""
    found = _decoded(_grids(args.file), args.model)
    with atomic_path(args.output) as temporary:
        temporary.write_bytes(found.content)
    say(f"{args.output}: {len(found.content)} bytes, {_condition(found)}")


def show(args: argparse.Namespace) -> None:
    """Print the digits of grids, say what they hold, and draw the first one."""
    from sensorium.puzzle.grid_picture import draw

    grids = _grids(args.file)
    for grid in grids:
        print(as_text(grid))
    try:
        found = _decoded(grids, args.model)
        title, group = f"{args.file.name}: {found.kind} text, page 1 of {len(grids)}", CELLS_A_SYMBOL
        say(f"{args.file}: {len(found.content)} bytes of text, {_condition(found)}")
    except GridError as error:
        title, group = f"{args.file.name}: grid 1 of {len(grids)}", 0
        say(f"{args.file}: {error}")
    draw(args.output, grids[0], title, group)


def _decoded(grids: list[np.ndarray], model: str | None) -> Text:
    """The text of grids; the artifact is read only if they need it."""
    try:
        return text_codes.decode(grids, None)
    except text_codes.NeedsCodesError:
        return text_codes.decode(grids, _codes(model))


def _codes(model: str | None) -> TextCodes | None:
    """The text codes that were asked for; None: to do without.

    Raises:
        ArtifactError: if they are not there.
        GridError: if none were asked for and the default ones are not there.
    """
    if model == NO_MODEL:
        return None
    if model is None and not DEFAULT_MODEL.is_file():
        raise GridError(
            f"{DEFAULT_MODEL}: not there; make it with: snakemake --profile local -j1 {DEFAULT_MODEL}; or give another "
            f"one with --model; or --model {NO_MODEL}, which takes more grids"
        )
    return TextCodes.load(DEFAULT_MODEL if model is None else Path(model))


def _grids(path: Path) -> list[np.ndarray]:
    """The grids of a file of either form.

    Raises:
        GridError: if it holds none.
    """
    if path.stat().st_size <= 2 * CELLS * MOST_GRIDS:
        content = path.read_bytes()
        digits = b"".join(content.split())
        if _DIGITS.fullmatch(content) and digits and len(digits) % CELLS == 0:
            text = digits.decode("ascii")
            return [from_text(text[start : start + CELLS]) for start in range(0, len(text), CELLS)]
    return read_grids(path)


def _condition(found: Text) -> str:
    repaired = f"{found.repaired} symbols repaired" if found.repaired else "nothing to repair"
    if not found.intact:
        return f"{found.kind}, NOT as written: at least one word is wrong"
    return f"{found.kind}, exactly as written, {repaired}"
