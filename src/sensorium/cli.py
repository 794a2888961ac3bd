"""`sensorium NAME ...`: runs one stage or evaluation and turns its errors into messages and exit codes."""

from __future__ import annotations

import argparse
import errno
import importlib
import os
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import TextIO

from sensorium.artifacts import ArtifactError
from sensorium.config import ConfigurationError
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
DISK_ERRORS = {errno.ENOSPC, errno.EDQUOT, errno.EROFS, errno.EACCES, errno.EPERM, errno.EIO}


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


def main(argv: Sequence[str] | None = None) -> None:
    """Run `sensorium [--log FILE] NAME ...`; leaves through SystemExit with one of the exit codes."""
    parser = argparse.ArgumentParser(
        prog="sensorium",
        description="Train and judge a multimodal world model, one stage at a time; then dream and play.",
        epilog=f"`sensorium NAME --help` tells a stage's arguments.\n\n{EXITS}",
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("--log", type=Path, metavar="FILE", help="copy everything that is printed to this file")
    parser.add_argument("--ranks", type=int, default=1, metavar="N", help="train with N processes, a GPU each")
    parser.add_argument("name", choices=PROGRAMS, metavar="NAME", help=", ".join(PROGRAMS))
    parser.add_argument("arguments", nargs=argparse.REMAINDER, metavar="...", help="the stage's own arguments")
    args = parser.parse_args(argv)
    rank = os.environ.get("RANK")  # of a process that was started as one of several
    launches = args.ranks > 1 and rank is None
    if launches and args.name not in TRAININGS:
        parser.error(f"--ranks {args.ranks}: only trainings run as several processes, {args.name} does not")
    words = list(sys.argv[1:] if argv is None else argv)
    _let_waiting_threads_sleep()

    def run() -> int:
        return _launch(args.ranks, words) if launches else _run(args.name, args.arguments)

    if args.log is None or rank not in (None, "0"):
        sys.exit(run())
    args.log.parent.mkdir(parents=True, exist_ok=True)
    streams = sys.stdout, sys.stderr
    if rank is None:
        args.log.write_text("")
    with args.log.open("a", buffering=1) as log:
        sys.stdout, sys.stderr = _Copy(streams[0], log), _Copy(streams[1], log)  # type: ignore[assignment]
        try:
            code = run()
        except Exception:
            sys.excepthook(*sys.exc_info())
            code = 1
        finally:
            sys.stdout, sys.stderr = streams
    sys.exit(code)


def _let_waiting_threads_sleep() -> None:
    """Before torch is loaded, which reads this once; what the user has set holds.

    OpenMP's threads spin while they wait for each other. Where another program holds one of their cores, a training
    step takes three to nine times as long that way; on idle cores it gains a few hundredths at most.
    """
    if "GOMP_SPINCOUNT" not in os.environ:
        os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")


def _launch(ranks: int, words: list[str]) -> int:
    from sensorium.training.launch import RankDied, launch

    try:
        return launch(ranks, words)
    except ConfigurationError as error:
        print(f"sensorium: {error}", file=sys.stderr)
        return 78
    except RankDied as error:
        print(f"sensorium: {error}", file=sys.stderr)
        return 1


def _run(name: str, arguments: list[str]) -> int:
    module = importlib.import_module(PROGRAMS[name])
    # Imported late: they bring torch, and `sensorium --help` should answer at once.
    from sensorium.data.quarantine import BadDataError
    from sensorium.evaluation.statistics import StatisticsError
    from sensorium.training.health import UnhealthyError
    from sensorium.training.interrupt import StoppedEarly

    codes = {
        ArtifactError: 65,
        BadDataError: 65,
        StatisticsError: 70,
        UnhealthyError: 70,
        StoppedEarly: 75,
        ConfigurationError: 78,
    }
    try:
        module.main(arguments)
    except tuple(codes) as error:
        code = next(code for kind, code in codes.items() if isinstance(error, kind))
        if code != 75 or os.environ.get("RANK", "0") == "0":  # all ranks stop together: one says so
            print(f"sensorium {name}: {error}", file=sys.stderr)
        return code
    except OSError as error:
        if error.errno not in DISK_ERRORS:
            raise
        print(f"sensorium {name}: {error.filename or 'a file'}: {error.strerror}", file=sys.stderr)
        print("Free some space or mend the permissions, then run the same command again.", file=sys.stderr)
        return 74
    return 0
