"""The contract of an evaluation: a module declares what it reads, and `judge` makes a result of it.

An evaluation is a module with

    a docstring     what it measures; floors, ceiling, references
    REVISION        raised when its numbers change
    EVALUATION      an `Evaluation`: its section, its inputs, what its negative control replaces
    judge           a function (bench, section) -> Result
    main            EVALUATION.main, which the command line calls

Arguments, provenance, timing, drawing, writing and what is printed are the same for all of them and stand here.
"""

from __future__ import annotations

import argparse
import sys
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from sensorium.config import Section, canonical_json, parse_section
from sensorium.evaluation.harness import Bench, arguments
from sensorium.evaluation.statistics import write_result
from sensorium.evaluation.table import table
from sensorium.progress import say

Write = Callable[[Path], object]  # makes one file


@dataclass(frozen=True)
class Input:
    """A manifest that an evaluation reads.

    Attributes:
        option: as on the command line, without the dashes.
        place: where the part stands in the results; `{option}` is filled in from an argument.
        required: whether the command must name it.
        key: under which the result records its digest; by default the option.
        help: for the command line; by default what manifest it is.
    """

    option: str
    place: str
    required: bool = True
    key: str | None = None
    help: str | None = None


@dataclass(frozen=True)
class Output:
    """A file that an evaluation writes beside its result and its figure."""

    option: str
    metavar: str
    help: str


DATA = Input("data", "data")


@dataclass(frozen=True)
class Result:
    """What an evaluation found.

    Attributes:
        metrics: records of `statistics.measure`.
        figure: draws the figure into a file.
        notes: whatever else the result holds (JSON).
        files: option of each `Output` -> what writes it.
        name: of the result; by default the evaluation's.
    """

    metrics: Mapping[str, dict[str, Any]]
    figure: Write
    notes: Mapping[str, Any] = field(default_factory=dict)
    files: Mapping[str, Write] = field(default_factory=dict)
    name: str | None = None


def no_options(parser: argparse.ArgumentParser) -> None:
    """An evaluation without arguments of its own."""


@dataclass(frozen=True)
class Evaluation:
    """The declaration of an evaluation.

    Attributes:
        module: its `__name__`; the last part names the evaluation.
        config: the model of its section.
        inputs: the manifests it reads.
        control: what --untrained-seed replaces by fresh weights, in words.
        outputs: files beside result and figure.
        options: adds arguments of its own; `judge` finds them in `bench.args`.
    """

    module: str
    config: type[Section]
    inputs: tuple[Input, ...]
    control: str
    outputs: tuple[Output, ...] = ()
    options: Callable[[argparse.ArgumentParser], None] = no_options

    @property
    def name(self) -> str:
        """As in the results."""
        return self.module.rpartition(".")[2]

    def parser(self) -> argparse.ArgumentParser:
        """The command line."""
        needed = [entry.option for entry in self.inputs if entry.required]
        command, description = self.name.replace("_", "-"), sys.modules[self.module].__doc__
        parser = arguments(command, description, needed, self.control)
        for entry in self.inputs:
            if not entry.required:
                meaning = entry.help or f"manifest of {entry.option}"
                parser.add_argument(f"--{entry.option}", type=Path, nargs="?", metavar="MANIFEST", help=meaning)
        for file in self.outputs:
            parser.add_argument(f"--{file.option}", required=True, type=Path, metavar=file.metavar, help=file.help)
        self.options(parser)
        return parser

    def main(self, argv: list[str]) -> None:
        """Run the evaluation by its command line: judge, draw, write.

        Raises:
            ArtifactError: if an input is missing, or was not made from the other ones.
            ConfigurationError: if the section is not valid.
            StatisticsError: if a score is not a number.
        """
        args = self.parser().parse_args(argv)
        began, config = time.monotonic(), parse_section(self.config, args.config)
        given = {entry: path for entry in self.inputs if (path := getattr(args, entry.option.replace("-", "_")))}
        places = {entry.place.format(**vars(args)): path for entry, path in given.items()}
        bench = Bench.prepare(args, places)
        say("\n".join(self._introduced(bench, places, config)))
        result: Result = sys.modules[self.module].judge(bench, config)
        result.figure(args.figure)
        for option, write in result.files.items():
            write(getattr(args, option))
        inputs = {entry.key or entry.option: path for entry, path in given.items()}
        seconds = time.monotonic() - began
        write_result(args.output, result.name or self.name, result.metrics, inputs, seconds, **result.notes)
        say(f"{table(result.metrics)}\n{args.output}: written after {seconds:.0f} s")

    def _introduced(self, bench: Bench, places: Mapping[str, Path], config: Section) -> list[str]:
        """What is judged, with what, and the settings, among them how many windows; a line each."""
        meaning = (sys.modules[self.module].__doc__ or "").split("\n")[0]
        lines = [f"{self.name}: {meaning}"]
        lines += [f"{place}: {path}{_size(bench.parts.manifest(place))}" for place, path in places.items()]
        if bench.untrained_seed is not None:
            lines.append(f"negative control: {self.control} with fresh weights of seed {bench.untrained_seed}")
        return [*lines, f"settings: {canonical_json(config)}", f"on {bench.device}"]


def _size(manifest: Mapping[str, Any]) -> str:
    """How large what a manifest describes is, for a line."""
    match manifest:
        case {"details": {"recordings": list(recordings)}}:
            return f" ({len(recordings)} recordings)"
        case {"details": {"parameters": parameters, "steps": steps}}:
            return f" ({parameters} parameters, {steps} steps)"
    return ""
