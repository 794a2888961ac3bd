"""`sensorium NAME ...`: runs one program and turns its errors into messages and exit codes."""

from __future__ import annotations

import argparse
import errno
import importlib
import os
import sys
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from typing import TextIO

from sensorium.artifacts import no_links
from sensorium.programs import PROGRAMS, TRAININGS

EXITS = """exit codes:
  0   done
  2   wrong arguments
  65  bad data: too much in quarantine, or an input that does not match its manifest
  70  unhealthy: diverged or collapsed
  74  cannot read or write a file
  75  stopped early with its state saved; the same command goes on
  78  bad configuration
"""
STOPPED_EARLY, DISK = 75, 74
DISK_ERRORS = {errno.ENOSPC, errno.EDQUOT, errno.EROFS, errno.EACCES, errno.EPERM, errno.EIO}


def main(argv: Sequence[str] | None = None) -> None:
    """Run `sensorium [--log FILE] [--ranks N] NAME ...`.

    Raises:
        SystemExit: always, with one of the exit codes.
    """
    argv = list(sys.argv[1:] if argv is None else argv)
    parser = _parser()
    args = parser.parse_args(argv)
    rank = os.environ.get("RANK")  # set in each of the processes that a launch has started
    launches = args.ranks > 1 and rank is None
    if launches and args.name not in TRAININGS:
        parser.error(f"--ranks {args.ranks}: only trainings run as several processes, {args.name} does not")
    _let_waiting_threads_sleep()
    if launches:
        work = partial(_exit_code, "sensorium", partial(_launch, args.ranks, argv))
    else:
        work = partial(_exit_code, f"sensorium {args.name}", partial(_run, args.name, args.arguments))
    if args.log is None or rank not in (None, "0"):
        sys.exit(work())
    with _copied_to(args.log, afresh=rank is None):
        try:
            code = work()
        except Exception:  # a defect: its traceback belongs into the log
            sys.excepthook(*sys.exc_info())
            code = 1
    sys.exit(code)


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="sensorium",
        description="Train and judge a multimodal world model, one stage at a time; then dream and play.",
        epilog=f"`sensorium NAME --help` lists a program's arguments.\n\n{EXITS}",
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("--log", type=Path, metavar="FILE", help="copy everything that is printed to this file")
    parser.add_argument("--ranks", type=int, default=1, metavar="N", help="train with N processes, a GPU each")
    parser.add_argument("name", choices=PROGRAMS, metavar="NAME", help=", ".join(PROGRAMS))
    parser.add_argument("arguments", nargs=argparse.REMAINDER, metavar="...", help="the program's own arguments")
    return parser


def _let_waiting_threads_sleep() -> None:
    """Set how threads wait, before torch is loaded and reads it, unless the user has set it.

    OpenMP's threads spin while they wait for each other. If another program uses one of their cores, a training step
    then takes three to nine times as long; on idle cores spinning saves a few per cent at most.
    """
    if "GOMP_SPINCOUNT" not in os.environ:
        os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")


def _run(name: str, arguments: list[str]) -> int:
    importlib.import_module(PROGRAMS[name]).main(arguments)
    return 0


def _launch(ranks: int, argv: list[str]) -> int:
    from sensorium.training.launch import launch  # brings torch; `sensorium --help` answers without it

    return launch(ranks, argv)


def _exit_code(title: str, work: Callable[[], int]) -> int:
    """Exit code of some work: its own, or that of the error that ended it, after a message on stderr.

    Errors that a user can act on have an attribute `exit_code`. Every other error is a defect and is raised.
    """
    try:
        return work()
    except Exception as error:
        code = getattr(error, "exit_code", None)
        if code is not None:
            message = str(error)
        elif isinstance(error, OSError) and error.errno in DISK_ERRORS:
            code, message = DISK, f"{error.filename or 'a file'}: {error.strerror}"
            message += "\nFree some space or mend the permissions, then run the same command again."
        else:
            raise
        if code != STOPPED_EARLY or os.environ.get("RANK", "0") == "0":  # all ranks stop together; the first reports it
            print(f"{title}: {message}", file=sys.stderr)
        return int(code)


class _Copy:
    """Writes to a terminal and to a log file, line by line."""

    def __init__(self, stream: TextIO, log: TextIO) -> None:
        self._stream, self._log = stream, log

    def write(self, text: str) -> int:
        self._log.write(text)
        return self._stream.write(text)

    def flush(self) -> None:
        self._log.flush()
        self._stream.flush()

    def __getattr__(self, name: str) -> object:
        return getattr(self._stream, name)


@contextmanager
def _copied_to(path: Path, afresh: bool) -> Iterator[None]:
    """Copy what is printed to a file; `afresh` empties the file first, otherwise the copy is appended."""
    path.parent.mkdir(parents=True, exist_ok=True)
    streams = sys.stdout, sys.stderr
    with open(path, "a", buffering=1, opener=no_links) as log:
        if afresh:
            log.truncate(0)
        sys.stdout, sys.stderr = _Copy(streams[0], log), _Copy(streams[1], log)  # type: ignore[assignment]
        try:
            yield
        finally:
            sys.stdout, sys.stderr = streams
