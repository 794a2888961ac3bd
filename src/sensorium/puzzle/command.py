"""Write a file on grids of 30 x 30 digits, read it back, or show what a grid holds.

    sensorium puzzle encode NOTES.txt -o NOTES.grid         374 bytes a grid
    sensorium puzzle decode NOTES.grid -o NOTES.txt         exactly what was written
    sensorium puzzle encode WORD.wav -o WORD.grid           a grid a second
    sensorium puzzle decode WORD.grid -o WORD.wav           lossy, as the name ends in .wav; pictures in .png
    sensorium puzzle show WORD.grid -o WORD.png --sense sound   its digits, and a picture of its first grid

A text is any file of bytes. A file of grids holds 374 bytes for each, or the digits themselves, 900 for each, as `show`
prints them. A grid does not say of which sense it is: all of its cells are content.
"""

from __future__ import annotations

import argparse
import re
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from sensorium.artifacts import MANIFEST, atomic_path
from sensorium.progress import say
from sensorium.puzzle import dense_text, text_codes
from sensorium.puzzle.file_names import SENSES, WRITTEN, sense_of
from sensorium.puzzle.grid import CELLS, MOST_GRIDS, PACKED, GridError, as_text, from_text, read_grids, write_grids
from sensorium.puzzle.pages import CELLS_A_SYMBOL, Text
from sensorium.puzzle.text_codes import LAYOUTS, TextCodes

if TYPE_CHECKING:
    from sensorium.puzzle.sense_codes import SenseCodes

NO_MODEL = "none"
NAMES = {"sound": "a sound", "sight": "pictures"}
_DIGITS = re.compile(rb"[0-9\s]+")


def main(argv: list[str]) -> None:
    """Run `sensorium puzzle`."""
    parser = argparse.ArgumentParser(
        prog="sensorium puzzle", description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    actions = parser.add_subparsers(dest="action", required=True, metavar="encode | decode | show")
    senses = {"encode": "its name tells", "decode": "the name of OUT tells", "show": "text"}
    for action, run in (("encode", encode), ("decode", decode), ("show", show)):
        own = actions.add_parser(action, help=(run.__doc__ or "").split(".")[0].lower())
        own.add_argument("file", type=Path, metavar="FILE")
        own.add_argument("-o", "--output", type=Path, required=True, metavar="OUT")
        model = f"manifest of the codes, by default {default_model('SENSE')}; {NO_MODEL}: texts without a model"
        own.add_argument("--model", metavar="MANIFEST", help=model)
        own.add_argument("--sense", choices=SENSES, help=f"what the file holds; by default {senses[action]}")
        own.set_defaults(run=run)
        if action == "encode":
            layouts = "of texts. dense: as much as possible on a grid; legible: three cells a word, for models to read"
            own.add_argument("--layout", choices=LAYOUTS, default="dense", help=layouts)
    args = parser.parse_args(argv)
    args.run(args)


def encode(args: argparse.Namespace) -> None:
    """Write a file on grids."""
    sense = args.sense or sense_of(args.file)
    if sense == "text":
        return _encode_text(args)
    if args.layout != "dense":
        raise GridError(f"--layout {args.layout} is one of texts, and {args.file} holds {NAMES[sense]}; leave it out")
    from sensorium.puzzle.sense_files import read  # texts need no torch

    codes = sense_codes(args.model, sense)
    given = read(args.file, sense, getattr(codes, "size", 1))
    grids = codes.encode(given)
    write_grids(args.output, list(grids))
    say(f"{args.output}: grids: {len(grids)}, {PACKED * len(grids)} bytes; lossy: {codes.loss(given):.2f} {codes.unit}")


def decode(args: argparse.Namespace) -> None:
    """Read a file back from grids."""
    by_name = [sense for sense, suffix in WRITTEN.items() if suffix == args.output.suffix.lower()]
    sense = args.sense or (by_name[0] if by_name else "text")
    if sense == "text":
        found = _decoded(_grids(args.file), args.model)
        with atomic_path(args.output) as temporary:
            temporary.write_bytes(found.content)
        say(f"{args.output}: {len(found.content)} bytes, {_condition(found)}")
        return
    if sense not in by_name:
        raise GridError(f"{args.output}: {NAMES[sense]} is written to a file whose name ends in {WRITTEN[sense]}")
    from sensorium.puzzle.sense_files import write

    grids = _grids(args.file)
    write(args.output, sense, sense_codes(args.model, sense).decode(np.stack(grids)))
    say(f"{args.output}: {NAMES[sense]} of {len(grids)} grids, lossy: not what was encoded, but like it")


def show(args: argparse.Namespace) -> None:
    """Print the digits of grids, say what they hold, and draw the first one."""
    from sensorium.puzzle.grid_picture import draw

    grids = _grids(args.file)
    for grid in grids:
        print(as_text(grid))
    title, group, decoded = f"{args.file.name}: grid 1 of {len(grids)}", 0, None
    if args.sense in NAMES:
        seen = sense_codes(args.model, args.sense).seen(grids[0])[0].clamp(0, 1).numpy()
        decoded = seen if seen.ndim == 2 else seen.transpose(1, 2, 0)
        say(f"{args.file}: {NAMES[args.sense]} of {len(grids)} grids")
    else:
        try:
            found = _decoded(grids, args.model)
            title, group = f"{args.file.name}: {found.kind} text, page 1 of {len(grids)}", CELLS_A_SYMBOL
            say(f"{args.file}: {len(found.content)} bytes of text, {_condition(found)}")
        except GridError as error:
            say(f"{args.file}: {error}")
    draw(args.output, grids[0], title, group, decoded)


def default_model(sense: str) -> Path:
    """Where the workflow puts the codes of a sense."""
    return Path("results/puzzle") / sense / MANIFEST


def _encode_text(args: argparse.Namespace) -> None:
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


def _decoded(grids: list[np.ndarray], model: str | None) -> Text:
    """The text of grids; the artifact is read only if they need it."""
    try:
        return text_codes.decode(grids, None)
    except text_codes.NeedsCodesError:
        return text_codes.decode(grids, _codes(model))
    except GridError as error:
        raise GridError(f"{error}. If they hold a sound or pictures, name OUT .wav or .png, or add --sense") from None


def _codes(model: str | None) -> TextCodes | None:
    """The text codes that were asked for; None: to do without.

    Raises:
        ArtifactError: if they are not there.
        GridError: if none were asked for and the default ones are not there.
    """
    if model == NO_MODEL:
        return None
    return TextCodes.load(_manifest(model, "text", f"; or --model {NO_MODEL}, which takes more grids"))


def sense_codes(model: str | None, sense: str) -> SenseCodes:
    """The codes of sounds or pictures.

    Raises:
        ArtifactError: if they are not there.
        GridError: if none were asked for and the default ones are not there, or they are of the other sense.
    """
    from sensorium.puzzle.sense_codes import PictureCodes, SoundCodes, load_codes

    if model == NO_MODEL:
        raise GridError(f"--model {NO_MODEL}: {NAMES[sense]} cannot be coded without a model; leave it out")
    path = _manifest(model, sense, "")
    codes = load_codes(path)
    if not isinstance(codes, SoundCodes if sense == "sound" else PictureCodes):
        raise GridError(f"{path}: codes of {'pictures' if sense == 'sound' else 'sounds'}, and this is {NAMES[sense]}")
    return codes


def _manifest(model: str | None, sense: str, more: str) -> Path:
    place = default_model(sense)
    if model is None and not place.is_file():
        raise GridError(
            f"{place}: not there; make it with: snakemake --profile local -j1 {place}; or give another one with "
            f"--model{more}"
        )
    return place if model is None else Path(model)


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
