"""`sensorium NAME ...`: runs one program and turns its errors into messages and exit codes."""

from __future__ import annotations

import argparse
import faulthandler
import gc
import importlib
import os
import sys
import threading
from collections.abc import Callable, Sequence
from contextlib import suppress
from functools import partial
from io import FileIO
from pathlib import Path
from types import ModuleType
from typing import TextIO

from sensorium.artifacts import no_links
from sensorium.exits import MEANINGS, PEER_LOST, STOPPED_EARLY, failure
from sensorium.programs import PROGRAMS, TRAININGS

EXITS = "exit codes:\n" + "".join(f"  {code:<3} {meaning}\n" for code, meaning in MEANINGS.items())


def main(argv: Sequence[str] | None = None) -> None:
    """Run `sensorium [--log FILE] [--ranks N] NAME ...`.

    Raises:
        SystemExit: always, with one of the exit codes.
    """
    whole_process = argv is None
    argv = list(sys.argv[1:] if argv is None else argv)
    parser = _parser()
    args = parser.parse_args(argv)
    rank = os.environ.get("RANK")  # set in each of the processes that a launch has started
    launches = args.ranks > 1 and rank is None
    if launches and args.name not in TRAININGS:
        parser.error(f"--ranks {args.ranks}: only trainings run as several processes, {args.name} does not")
    _let_waiting_threads_sleep()
    if whole_process and sys.stderr is not None:
        faulthandler.enable()  # a library that aborts or reads a wrong address leaves the place in Python at least
    if launches:
        work = partial(_exit_code, "sensorium", partial(_launch, args.ranks, argv))
    else:
        work = partial(_exit_code, f"sensorium {args.name}", partial(_run, args.name, args.arguments))
    threading.excepthook = _report_defects_of_threads
    if args.log is not None and rank in (None, "0"):
        work = partial(_exit_code, "sensorium --log", partial(_logged, args.log, rank is None, work))
    code = work()
    rest = _exit_code("sensorium", _flush_streams)
    if whole_process:
        gc.freeze()  # or the interpreter searches all of torch for garbage before it ends, which takes a second
    sys.exit(code or rest)


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
    _imported(PROGRAMS[name]).main(arguments)
    return 0


def _imported(name: str) -> ModuleType:
    """A module. What is imported stays: searching it for garbage, again and again, takes a fifth of the time."""
    gc.disable()
    try:
        return importlib.import_module(name)
    finally:
        gc.enable()


def _launch(ranks: int, argv: list[str]) -> int:
    from sensorium.training.launch import launch  # brings torch; `sensorium --help` answers without it

    return launch(ranks, argv)


def _exit_code(title: str, work: Callable[[], int]) -> int:
    """Exit code of some work: its own, or that of the error that ended it, after a message on stderr.

    An error that is a defect is raised.
    """
    try:
        return work()
    except Exception as error:
        found = failure(error)
        if found is None:
            raise
        code, message = found
        # All ranks stop together, and all that are left notice that one is gone: the first reports it.
        if code not in (STOPPED_EARLY, PEER_LOST) or os.environ.get("RANK", "0") == "0":
            with suppress(OSError):  # a full disk behind stderr must not hide the code
                print(f"{title}: {message}", file=sys.stderr, flush=True)
        return code


def _report_defects_of_threads(error: threading.ExceptHookArgs) -> None:
    """A thread that cannot write (TensorBoard's) hands its error on to the main one, which reports it."""
    if error.exc_value is None or failure(error.exc_value) is None:
        threading.__excepthook__(error)


def _flush_streams() -> int:
    """Flush stdout and stderr now, while a failure still has its exit code: at its end the interpreter exits 120."""
    failed: OSError | None = None
    for stream in (sys.stdout, sys.stderr):
        try:
            if stream is not None:  # None: closed by whoever started this
                stream.flush()
        except OSError as error:
            failed = error
            os.dup2(os.open(os.devnull, os.O_WRONLY), stream.fileno())
    if failed:
        raise failed
    return 0


def _logged(path: Path, afresh: bool, work: Callable[[], int]) -> int:
    """Do the work, with a copy of what is printed in a file; the traceback of a defect belongs there too.

    Raises:
        OSError: if the file cannot be written at all; then the work has not begun.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    streams = sys.stdout, sys.stderr
    emptied = os.O_TRUNC if afresh else 0  # ranks write to its end too
    with open(path, "ab", 0, opener=lambda name, flags: no_links(name, flags | emptied)) as file:
        log = _Log(file)
        sys.stdout, sys.stderr = _Copy(streams[0], log), _Copy(streams[1], log)  # type: ignore[assignment]
        try:
            return work()
        except Exception:
            sys.excepthook(*sys.exc_info())
            return 1
        finally:
            sys.stdout, sys.stderr = streams


class _Log:
    """A log file that never fails: if it cannot take more, it says so once and ends there."""

    def __init__(self, file: FileIO) -> None:
        self._file, self._ended = file, False

    def write(self, text: str) -> str:
        """Write to the log; return what the terminal must show, which is the text and perhaps why the log ends."""
        if self._ended:
            return text
        try:
            self._file.write(text.encode(errors="replace"))
        except OSError as error:
            self._ended = True
            return f"{text}\n{self._file.name}: the log ends here ({error.strerror})\n"
        return text


class _Copy:
    """Writes to a terminal and to a log file."""

    def __init__(self, stream: TextIO, log: _Log) -> None:
        self._stream, self._log = stream, log

    def write(self, text: str) -> int:
        self._stream.write(self._log.write(text))
        return len(text)

    def __getattr__(self, name: str) -> object:
        return getattr(self._stream, name)
