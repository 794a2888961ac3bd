"""Pages of HTML that play a film or a sound, or show a table: Snakemake's report shows nothing else in place."""

from __future__ import annotations

import csv
from base64 import b64encode
from html import escape
from pathlib import Path

from sensorium.artifacts import atomic_path

STYLE = (
    "body{font:14px/1.4 system-ui,sans-serif;margin:1rem}video{width:min(100%,640px);image-rendering:pixelated}"
    "table{border-collapse:collapse}th,td{padding:.15rem .7rem;border-bottom:1px solid #ddd;text-align:left}"
    "th{position:sticky;top:0;background:#fff}td{font-variant-numeric:tabular-nums}"
)


def write_page(path: Path, source: Path) -> None:
    """Write a page that needs no other file.

    Args:
        path: of the page.
        source: .mp4, .wav, or .tsv whose first row names the columns.
    """
    head = f'<meta charset="utf-8"><title>{escape(source.stem)}</title><style>{STYLE}</style>'
    with atomic_path(path) as temporary:
        temporary.write_text(f"<!doctype html>{head}{_body(source)}")


def _body(source: Path) -> str:
    if source.suffix == ".tsv":
        with source.open(newline="") as file:
            rows = list(csv.reader(file, delimiter="\t"))
        cells = [("th" if number == 0 else "td", row) for number, row in enumerate(rows)]
        lines = ["<tr>" + "".join(f"<{tag}>{escape(cell)}</{tag}>" for cell in row) + "</tr>" for tag, row in cells]
        return f"<table>{''.join(lines)}</table>"
    content = b64encode(source.read_bytes()).decode()
    if source.suffix == ".wav":
        return f'<audio controls src="data:audio/wav;base64,{content}"></audio>'
    return f'<video controls loop autoplay muted src="data:video/mp4;base64,{content}"></video>'
