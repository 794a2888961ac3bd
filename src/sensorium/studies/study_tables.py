"""Write the tables of docs/studies.md from results of studies, and keep those results beside them in docs/studies/.

Each table stands between two marks. No number of a study is typed by hand: a test makes the tables again.
"""

from __future__ import annotations

import argparse
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from sensorium.artifacts import ArtifactError, atomic_path, read_checked, write_json
from sensorium.progress import say
from sensorium.studies.findings import StudyResult, markdown

REVISION = 1


def main(argv: list[str]) -> None:
    """Run `sensorium study-tables`."""
    parser = argparse.ArgumentParser(prog="sensorium study-tables", description=__doc__)
    parser.add_argument("results", type=Path, nargs="+", metavar="JSON", help="results of studies")
    parser.add_argument("--docs", type=Path, default=Path("docs"), metavar="FOLDER", help="where studies.md stands")
    args = parser.parse_args(argv)
    page = args.docs / "studies.md"
    for path in args.results:
        record = read_checked(path, StudyResult)
        text = with_table(page.read_text(), record)
        with atomic_path(page) as temporary:
            temporary.write_text(text)
        write_json(args.docs / "studies" / f"{record['name']}.json", record)
        say(f"{page}: {record['name']}")


def with_table(page: str, record: Mapping[str, Any]) -> str:
    """The page with the study's table between its marks.

    Raises:
        ArtifactError: if the page has no marks for the study.
    """
    return between(page, f"study: {record['name']}", markdown(record), "docs/studies.md")


def between(page: str, name: str, text: str, file: str) -> str:
    """The page with `text` between the marks <!-- name --> and <!-- end of name -->.

    Raises:
        ArtifactError: if the page, named `file`, has no such marks.
    """
    begin, end = f"<!-- {name} -->", f"<!-- end of {name} -->"
    before, mark, rest = page.partition(begin)
    _, closed, after = rest.partition(end)
    if not mark or not closed:
        raise ArtifactError(f"{file} has no lines {begin!r} and {end!r}: write them where the table belongs")
    return f"{before}{begin}\n{text}\n{end}{after}"
