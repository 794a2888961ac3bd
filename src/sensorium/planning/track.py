"""Send the records of training runs to an MLflow server.

Trainings write metrics.jsonl and TensorBoard, and know no network. This program reads what they wrote and sends what
the server does not have yet: the settings once, numbers after the last step that was sent. So it may be run while they
train, again and again, and from another machine that sees the results. It needs the package mlflow-skinny.
"""

from __future__ import annotations

import argparse
import os
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any, NamedTuple, Protocol

from sensorium.artifacts import record_of
from sensorium.config import ConfigurationError
from sensorium.exits import StorageError
from sensorium.planning.kept_runs import Run, flat, is_training, kept_runs
from sensorium.progress import say

RECORDS = "metrics.jsonl"
FOLDER, STEP = "sensorium.run", "sensorium.step"  # tags: which run it is, and the last step that was sent
MOST_NUMBERS, MOST_SETTINGS, LONGEST = 1000, 100, 500  # of a request; characters of a setting
RETRIES = ("MLFLOW_HTTP_REQUEST_MAX_RETRIES", "3")  # its own default waits for minutes


class Number(NamedTuple):
    """A number of a run."""

    name: str
    value: float
    milliseconds: int
    step: int


class Server(Protocol):
    """What is asked of a server."""

    def begin(self, name: str, tags: Mapping[str, str]) -> tuple[str, int | None]:
        """The run with the tag FOLDER: its number, and the last step that it has; None for a new one."""

    def settings(self, run: str, values: Mapping[str, str]) -> None:
        """Store settings, at most MOST_SETTINGS."""

    def numbers(self, run: str, values: list[Number]) -> None:
        """Store numbers, at most MOST_NUMBERS."""

    def note(self, run: str, step: int, status: str) -> None:
        """Store the last step and the status."""


class MlflowServer:
    """An MLflow server, or its file store.

    Args:
        uri: of it.
        experiment: that runs belong to; it is made if there is none.

    Raises:
        ConfigurationError: if the package is not installed.
    """

    def __init__(self, uri: str, experiment: str) -> None:
        os.environ.setdefault(*RETRIES)
        try:
            import mlflow.entities
            from mlflow import MlflowClient
        except ModuleNotFoundError:
            raise ConfigurationError(
                "--mlflow: the package mlflow is not installed; install its small form with: pip install mlflow-skinny"
            ) from None
        self._entities = mlflow.entities
        self._client = MlflowClient(tracking_uri=uri)
        found = self._client.get_experiment_by_name(experiment)
        self._experiment = found.experiment_id if found else self._client.create_experiment(experiment)

    def begin(self, name: str, tags: Mapping[str, str]) -> tuple[str, int | None]:
        """As in `Server`."""
        wanted = f"tags.`{FOLDER}` = '{tags[FOLDER]}'"
        for run in self._client.search_runs([self._experiment], filter_string=wanted):
            return run.info.run_id, int(run.data.tags.get(STEP, -1))
        return self._client.create_run(self._experiment, run_name=name, tags=dict(tags)).info.run_id, None

    def settings(self, run: str, values: Mapping[str, str]) -> None:
        """As in `Server`."""
        self._client.log_batch(run, params=[self._entities.Param(name, value) for name, value in values.items()])

    def numbers(self, run: str, values: list[Number]) -> None:
        """As in `Server`."""
        self._client.log_batch(run, metrics=[self._entities.Metric(*number) for number in values])

    def note(self, run: str, step: int, status: str) -> None:
        """As in `Server`."""
        self._client.set_tag(run, STEP, str(step))
        self._client.update_run(run, status=status)


def main(argv: list[str]) -> None:
    """Run `sensorium track`."""
    parser = argparse.ArgumentParser(prog="sensorium track", description=__doc__)
    parser.add_argument("--mlflow", required=True, metavar="URI", help="of the server, such as http://127.0.0.1:5000")
    parser.add_argument("--results", type=Path, default=Path("results"), metavar="FOLDER", help="default: results")
    parser.add_argument("--experiment", default="sensorium", metavar="NAME", help="on the server; default: sensorium")
    parser.add_argument("--follow", type=_seconds, metavar="SECONDS", help="look again so often, until Ctrl-C")
    args = parser.parse_args(argv)
    if not args.results.is_dir():
        parser.error(f"--results {args.results}: no such folder")
    try:
        server = MlflowServer(args.mlflow, args.experiment)
        while True:
            send_all(server, args.results)
            if args.follow is None:
                return
            time.sleep(args.follow)
    except KeyboardInterrupt:
        return
    except ConfigurationError:
        raise
    except Exception as error:
        if not type(error).__module__.startswith(("mlflow", "requests", "urllib3")):
            raise
        reason = str(error).partition("\n")[0]
        way_out = "what was sent stays, run the same command again"
        raise StorageError(f"--mlflow {args.mlflow}: {reason}; {way_out}") from None


def send_all(server: Server, results: Path) -> None:
    """Send what is new of every run below a folder of results."""
    for stage, runs in kept_runs(results).items():
        for run in runs:
            if sent := send(server, run):
                say(f"{stage} {run.folder.name}: {sent} numbers sent")


def send(server: Server, run: Run) -> int:
    """Send what is new of a run; return how many numbers."""
    records = _records(run.folder / RECORDS)
    if not records:
        return 0
    name = f"{run.stage} {run.folder.name}"
    number, last = server.begin(name, {FOLDER: f"{run.stage}/{run.folder.name}"})
    if last is None:
        values = {key: str(value)[:LONGEST] for key, value in flat(run.settings.get("section")).items()}
        for start in range(0, len(values), MOST_SETTINGS):
            server.settings(number, dict(list(values.items())[start : start + MOST_SETTINGS]))
        last = -1
    now = int((run.folder / RECORDS).stat().st_mtime * 1000)
    numbers = [
        Number(key, float(value), now, record["step"])
        for record in records
        if record["step"] > last
        for key, value in record.items()
        if key != "step" and value is not None
    ]
    for start in range(0, len(numbers), MOST_NUMBERS):
        server.numbers(number, numbers[start : start + MOST_NUMBERS])
    done = records[-1]["step"]
    if numbers:
        server.note(number, done, _status(run, done))
    return len(numbers)


def _status(run: Run, done: int) -> str:
    if done >= run.steps > 0:
        return "FINISHED"
    return "RUNNING" if is_training(run.folder) else "KILLED"


def _records(path: Path) -> list[dict[str, Any]]:
    """All records of a run; a last line that is being written is none."""
    try:
        text = path.read_text(errors="replace")
    except OSError:
        return []
    return [record for line in text.splitlines() if (record := record_of(line)) is not None]


def _seconds(text: str) -> float:
    value = float(text)
    if not 1 <= value < float("inf"):
        raise argparse.ArgumentTypeError(f"{text}: at least 1 second")
    return value
