"""Run one study over all its seeds and store what it found."""

from __future__ import annotations

import argparse
import importlib
import json
import subprocess
import time
from dataclasses import asdict
from pathlib import Path
from typing import Any

import torch

from sensorium.artifacts import atomic_path
from sensorium.config import canonical_json, parse_section
from sensorium.evaluation.statistics import write_result
from sensorium.programs import revision
from sensorium.progress import say
from sensorium.studies.config import Studies
from sensorium.studies.findings import Findings, Table, markdown

REVISION = 1
NAMES = tuple(Studies.model_fields)


def main(argv: list[str]) -> None:
    """Run `sensorium study NAME`."""
    parser = argparse.ArgumentParser(prog="sensorium study", description=__doc__)
    parser.add_argument("name", choices=NAMES, metavar="NAME", help=", ".join(NAMES))
    parser.add_argument("--config", required=True, metavar="JSON", help="the study's own section")
    parser.add_argument("--output", required=True, type=Path, metavar="JSON", help="where the result goes")
    parser.add_argument("--threads", type=int, default=1, metavar="N", help="CPU threads")
    args = parser.parse_args(argv)
    torch.set_num_threads(max(1, args.threads))
    section = parse_section(Studies.model_fields[args.name].annotation, args.config)
    say(f"study {args.name}, seeds {section.all_seeds()}, settings: {canonical_json(section)}")
    began = time.monotonic()
    findings: Findings = importlib.import_module(f"sensorium.studies.{args.name}").run(section)
    notes: dict[str, Any] = {
        "controls": dict(findings.controls),
        "tables": [_stored(table) for table in findings.tables],
        "config": section.model_dump(mode="json"),
        "seeds": section.all_seeds(),
        "revision": revision(args.name),
        "commit": commit(),
    }
    if findings.log:
        text = "".join(f"{json.dumps(entry)}\n" for entry in findings.log)
        with atomic_path(args.output.with_suffix(".jsonl")) as temporary:
            temporary.write_text(text)
    write_result(args.output, args.name, findings.metrics, {}, time.monotonic() - began, **notes)
    say(markdown({"name": args.name, "metrics": findings.metrics, **notes}))


def commit() -> str:
    """The commit of the sources that run, with `-dirty` if they were changed since; "unknown" outside a checkout."""
    command = ("git", "describe", "--always", "--dirty", "--abbrev=12", "--exclude=*")
    try:
        found = subprocess.run(command, cwd=Path(__file__).parent, capture_output=True, text=True, check=True)
    except (OSError, subprocess.CalledProcessError):
        return "unknown"
    return found.stdout.strip()


def _stored(table: Table) -> dict[str, Any]:
    columns = list(table.rows[0])
    return {**asdict(table), "columns": columns, "rows": [[row[key] for key in columns] for row in table.rows]}
