"""The records of a run: metrics.jsonl (exact numbers), TensorBoard (curves, pictures, sounds) and plain lines in a log.

Only values named perf/... depend on the clock; all others are equal for equal runs.
"""

from __future__ import annotations

import json
import logging
import math
import sys
import time
from collections.abc import Mapping
from contextlib import suppress
from io import TextIOWrapper
from pathlib import Path
from types import TracebackType

from torch.utils.tensorboard import SummaryWriter

from sensorium.artifacts import atomic_path, no_links, record_of
from sensorium.exits import writing
from sensorium.progress import LINE_SECONDS, clock, short
from sensorium.training.learner import Audio, Image

log = logging.getLogger("sensorium")
JSONL, LOG, TENSORBOARD = "metrics.jsonl", "train.log", "tb"


class _LogFile(logging.FileHandler):
    """A log file that never fails: what it cannot take is on the screen, and the next record needs the disk too.

    It is not written through a link.
    """

    def _open(self) -> TextIOWrapper:
        return open(self.baseFilename, self.mode, opener=no_links)  # type: ignore[return-value]

    def handleError(self, record: logging.LogRecord) -> None:
        log.removeHandler(self)

    def close(self) -> None:
        with suppress(OSError):  # it tries to write what is left
            super().close()


class RunLog:
    """The records of one run.

    Args:
        folder: the run's folder.
        main: False for ranks that write nothing.
    """

    def __init__(self, folder: Path, main: bool = True) -> None:
        self._folder, self._main = folder, main
        self._path = folder / JSONL
        self._board: SummaryWriter | None = None
        self._handlers: list[logging.Handler] = []
        self._level = log.level
        if not main:
            return
        with writing(folder):
            folder.mkdir(parents=True, exist_ok=True)
            file = _LogFile(folder / LOG)
        file.setFormatter(logging.Formatter("%(asctime)s %(message)s", "%Y-%m-%d %H:%M:%S"))
        screen = logging.StreamHandler(sys.stderr)
        screen.setFormatter(logging.Formatter("%(message)s"))
        self._handlers = [file, screen]
        log.setLevel(logging.INFO)
        for handler in self._handlers:
            log.addHandler(handler)

    def begin(self, resumed: int) -> None:
        """Open the records to go on after `resumed` steps, without the records of later steps, which are made again."""
        if self._main:
            with writing(self._path):
                _truncate(self._path, resumed)
                self._board = SummaryWriter(str(self._folder / TENSORBOARD), purge_step=resumed + 1)

    def __enter__(self) -> RunLog:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if error is not None:
            log.info("%s: %s", type(error).__name__, error)
        log.setLevel(self._level)
        for handler in self._handlers:
            log.removeHandler(handler)
            handler.close()
        if self._board:
            with suppress(OSError) if error else writing(self._folder / TENSORBOARD):  # the first error counts
                self._board.close()

    def scalars(self, step: int, values: Mapping[str, float]) -> None:
        """Record numbers after `step` steps; metrics.jsonl has null for a number that is not finite."""
        if not self._board:
            return
        record = {"step": step} | {name: value if math.isfinite(value) else None for name, value in values.items()}
        with writing(self._path):
            with open(self._path, "a", opener=no_links) as file:
                file.write(json.dumps(record, allow_nan=False) + "\n")
            for name, value in values.items():
                self._board.add_scalar(name, value, step)

    def show(self, step: int, exhibits: Mapping[str, Image | Audio]) -> None:
        """Put pictures and sounds into TensorBoard."""
        if not self._board:
            return
        with writing(self._folder / TENSORBOARD):
            for name, exhibit in exhibits.items():
                if isinstance(exhibit, Image):
                    self._board.add_image(name, exhibit.pixels.detach().float().clamp(0, 1).cpu(), step)
                else:
                    sound = exhibit.samples.detach().float().clamp(-1, 1).cpu()
                    self._board.add_audio(name, sound[None], step, sample_rate=exhibit.rate)


def _truncate(path: Path, step: int) -> None:
    """Keep the records up to `step`; drop what is no record, such as a last line that a kill has cut."""
    if not path.exists():
        return
    kept = []
    for line in path.read_text(errors="replace").splitlines():
        record = record_of(line)
        if record is not None and record["step"] <= step:
            kept.append(line + "\n")
    with atomic_path(path) as temporary:
        temporary.write_text("".join(kept))


class Pace:
    """Throughput and time left, and the lines of progress in the log.

    Args:
        done: steps that were made before.
        steps: of the whole run.
        batch: rows of a step.
    """

    def __init__(self, done: int, steps: int, batch: int) -> None:
        self._steps, self._batch = steps, batch
        self._last = self._first = (time.monotonic(), done)
        self._line_at = time.monotonic()

    def measure(self, done: int) -> dict[str, float]:
        """perf/samples_per_second since the last call, and perf/seconds_left from the mean speed of this process."""
        speed = self._speed(done)
        self._last = (time.monotonic(), done)
        return speed

    def _speed(self, done: int) -> dict[str, float]:
        now = time.monotonic()
        then, before = self._last
        begin, origin = self._first
        seconds_a_step = (now - begin) / max(1, done - origin)
        return {
            "perf/samples_per_second": (done - before) * self._batch / max(1e-9, now - then),
            "perf/seconds_left": (self._steps - done) * seconds_a_step,
        }

    def log_line(self, done: int, values: Mapping[str, float]) -> None:
        """Log a line of progress, if the last one is LINE_SECONDS old or the run is finished.

        Args:
            done: steps that are made.
            values: what was measured at the last of them, with `measure`; empty: nothing was, and the loss is unknown.
                A line waits for a measured step, but not as long again.
        """
        patience = LINE_SECONDS if values else 2 * LINE_SECONDS
        if time.monotonic() - self._line_at <= patience and done < self._steps:
            return
        self._line_at = time.monotonic()
        speed = values or self._speed(done)
        rate, left = short(speed["perf/samples_per_second"]), clock(speed["perf/seconds_left"])
        loss = f"loss {values['train/loss']:.4f}  " if values else ""
        log.info("step %d/%d  %s%s samples/s  %s left", done, self._steps, loss, rate, left)
