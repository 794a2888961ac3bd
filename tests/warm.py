"""Processes that start warm: forks of one that has imported other people's packages, which takes seconds.

A fresh `snakemake` spends half of a dry run on imports; a fresh training or pytest spends more on them than on a few
steps. A server imports the packages of PRELOADED once, never this repository's own but in a copy that is said to stay
`unchanged`. Each command is a fork of it and becomes what a fresh process would be: script, arguments, folder,
environment, PYTHONPATH, umask, streams, signals and group are its own, and it ends as the interpreter ends. What a
package may read from its environment while it is imported is the same, because each environment has its own server (but
for FREE).

One thing a fork shares with its siblings: the order of sets of strings (the seed of Python's hashes). Tests of
start-up itself, and of whether two processes reach the same bits, start fresh processes.
"""

from __future__ import annotations

import atexit
import functools
import gc
import importlib
import json
import os
import runpy
import selectors
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import threading
from collections.abc import Mapping, Sequence
from contextlib import suppress
from pathlib import Path
from typing import Any

TORCH = (
    "yaml pydantic numpy torch torch._dynamo torchaudio torchvision torch.utils.tensorboard safetensors.torch "
    "scipy.stats scipy.signal sklearn.linear_model sklearn.decomposition matplotlib.pyplot cv2 soundfile av"
).split()
PRELOADED = {  # by program
    # Not Snakemake itself: it looks for its plugins, and so for ours, while it is imported.
    "snakemake": "pandas sqlmodel pulp pydantic yaml submitit jsonschema throttler configargparse psutil".split(),
    "sensorium": TORCH,
    "pytest": ["pytest", "hypothesis", "xdist.scheduler", *TORCH, "skimage.metrics", "pymunk", "ale_py"],
}
OWN = ("sensorium", "snakemake_executor_plugin_submitit")
# Also imported for runs of Snakemake in a copy of the repository whose sources stay as they are.
FROM_COPY = ("snakemake.cli", "sensorium.settings", "sensorium.planning.resources", "sensorium.ownership")
# Variables that no preloaded package reads while it is imported; each command has its own.
FREE = {"PATH", "PYTHONPATH", "PYTHONDONTWRITEBYTECODE", "PYTEST_CURRENT_TEST", "XDG_CACHE_HOME"}
FREE |= {"ENVIRONMENT", "CUDA_VISIBLE_DEVICES", "GPU_DEVICE_ORDINAL", "ROCR_VISIBLE_DEVICES"}  # of a job of SLURM
FREE_OF_CLUSTERS = ("SLURM_", "SBATCH_", "SQUEUE_", "SUBMITIT_", "SNAKEMAKE_")  # how their names begin
MESSAGE = 1 << 20  # bytes of a command with its environment, at most


class Process:
    """A command that was started warm, with the part of subprocess.Popen that tests use."""

    def __init__(self, connection: socket.socket, words: Sequence[str]) -> None:
        self.args, self.returncode = list(words), None
        self._connection = connection
        self.pid = int(connection.recv(64))

    def wait(self, timeout: float | None = None) -> int:
        """Exit code, when it has ended; negative if a signal ended it.

        Raises:
            subprocess.TimeoutExpired: if it has not ended in so many seconds.
        """
        if self.returncode is None:
            self._connection.settimeout(timeout)
            try:
                said = self._connection.recv(64)
            except (TimeoutError, BlockingIOError):
                raise subprocess.TimeoutExpired(self.args, timeout or 0) from None
            if not said:
                raise ChildProcessError(f"the server of warm processes ended before {self.args}")
            self.returncode = os.waitstatus_to_exitcode(int(said))
            self._connection.close()
        return self.returncode

    def poll(self) -> int | None:
        """Exit code if it has ended."""
        with suppress(subprocess.TimeoutExpired):
            self.wait(0)
        return self.returncode


def start(
    words: Sequence[str | Path],
    folder: Path,
    environment: Mapping[str, str],
    output: Path,
    *,
    session: bool = False,
    unchanged: bool = False,
) -> Process:
    """Start a Python program of PRELOADED that is found on the environment's PATH.

    Args:
        words: program and arguments.
        folder: where it runs.
        environment: all that it sees.
        output: file to which it appends stdout and stderr; stdin is empty.
        session: whether it heads a session of its own, and so a group that can be killed as a whole.
        unchanged: whether the sources on PYTHONPATH stay as they are: then FROM_COPY is imported beforehand, too.
    """
    argv = list(map(str, words))
    program = shutil.which(argv[0], path=environment["PATH"])
    assert program, f"no {argv[0]} on PATH"
    mask = os.umask(0)
    os.umask(mask)
    request = {
        "argv": [program, *argv[1:]],
        "folder": str(folder),
        "environment": dict(environment),
        "umask": mask,
        "session": session,
        "unchanged": unchanged,
    }
    ours, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
    with theirs, output.open("ab") as written, open(os.devnull, "rb") as nothing:
        _ask(argv[0], request, [theirs.fileno(), nothing.fileno(), written.fileno()])
    return Process(ours, argv)


def _ask(name: str, request: dict[str, Any], descriptors: Sequence[int]) -> None:
    """Have the server of a program, and of the request's environment, start it."""
    fixed = {
        name: value
        for name, value in request["environment"].items()
        if name not in FREE and not name.startswith(FREE_OF_CLUSTERS)
    }
    folder = None
    if request.get("unchanged"):  # Snakemake notes its folder, too, when it is imported
        fixed["PYTHONPATH"], folder = request["environment"]["PYTHONPATH"], request["folder"]
    server = _server(name, tuple(sorted(fixed.items())), folder)
    socket.send_fds(server, [json.dumps(request).encode()], descriptors)


# Starts its namesake warm, through a socket in its folder, and becomes what that becomes: output, signals, end.
STAND_IN = """\
#!{python} -SE
import json, os, signal, socket, sys
passed_on = (signal.SIGINT, signal.SIGTERM, signal.SIGUSR2)
signal.pthread_sigmask(signal.SIG_BLOCK, passed_on)  # one that comes before its process is known waits
mask = os.umask(0)
os.umask(mask)
request = {{"argv": [{program!r}, *sys.argv[1:]], "folder": os.getcwd(), "environment": dict(os.environ)}}
connection = socket.socket(socket.AF_UNIX, socket.SOCK_SEQPACKET)
connection.connect({address!r})
socket.send_fds(connection, [json.dumps(request | {{"umask": mask, "session": False}}).encode()], [0, 1])
pid = int(connection.recv(64))
for number in passed_on:
    signal.signal(number, lambda number, _: os.kill(pid, number))
signal.pthread_sigmask(signal.SIG_UNBLOCK, passed_on)
code = os.waitstatus_to_exitcode(int(connection.recv(64)))
if code < 0:
    signal.signal(-code, signal.SIG_DFL) if -code != signal.SIGKILL else None
    os.kill(os.getpid(), -code)
sys.exit(code)
"""


def stand_in(program: Path, folder: Path) -> None:
    """Write a namesake of a program into a folder that starts the program warm, as long as this process lives.

    For what starts programs by itself, as Snakemake does. Its stderr goes where its stdout goes.

    Args:
        program: one of PRELOADED.
        folder: with a short path, to be put first on PATH.
    """
    listener = socket.socket(socket.AF_UNIX, socket.SOCK_SEQPACKET)
    listener.bind(str(folder / "socket"))
    listener.listen(16)

    def answer() -> None:
        while True:
            connection, _ = listener.accept()
            message, descriptors, _, _ = socket.recv_fds(connection, MESSAGE, 2)
            with connection:
                _ask(program.name, json.loads(message), [connection.fileno(), *descriptors])
            for descriptor in descriptors:
                os.close(descriptor)

    threading.Thread(target=answer, daemon=True).start()
    made = folder / program.name
    made.write_text(STAND_IN.format(python=sys.executable, program=str(program), address=str(folder / "socket")))
    made.chmod(0o755)


def run(
    words: Sequence[str | Path],
    folder: Path,
    environment: Mapping[str, str],
    timeout: float,
    *,
    unchanged: bool = False,
) -> subprocess.CompletedProcess[str]:
    """Run a command to its end, see `start`; stdout holds what it wrote to stdout and stderr.

    Raises:
        subprocess.TimeoutExpired: if it took longer than `timeout` seconds; it is dead then.
    """
    with tempfile.NamedTemporaryFile(prefix="warm-") as written:
        process = start(words, folder, environment, Path(written.name), unchanged=unchanged)
        try:
            code = process.wait(timeout)
        except subprocess.TimeoutExpired as late:
            os.kill(process.pid, signal.SIGKILL)
            process.wait()
            late.output = written.read()
            raise
        return subprocess.CompletedProcess(words, code, stdout=written.read().decode(errors="replace"))


@functools.cache
def _server(name: str, environment: tuple[tuple[str, str], ...], copy: str | None) -> socket.socket:
    """Start the server of a program, environment and copy; it ends when the socket is closed, as at our end."""
    ours, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
    argv = [sys.executable, __file__, str(theirs.fileno()), *PRELOADED[name], *(FROM_COPY if copy else ())]
    nothing = subprocess.DEVNULL
    with theirs:
        process = subprocess.Popen(
            argv, cwd=copy, env=dict(environment), stdin=nothing, stdout=nothing, pass_fds=[theirs.fileno()]
        )
    atexit.register(_end, process, ours)
    return ours


def _end(process: subprocess.Popen[bytes], connection: socket.socket) -> None:
    connection.close()
    process.wait()


def _serve(number: int, preloaded: Sequence[str]) -> tuple[dict[str, Any], list[int]]:
    """Fork for each request until the socket is closed; returns only in the forks, with their request and streams."""
    gc.disable()  # nothing that is imported is garbage
    for name in preloaded:
        importlib.import_module(name)
    if not set(FROM_COPY) & set(preloaded):
        assert not [name for name in sys.modules if name.partition(".")[0] in OWN]
    gc.freeze()  # a collection in a fork would write to, and so copy, every page of what was imported
    gc.enable()
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C is for the tests, which end this by closing the socket
    with socket.socket(fileno=number) as control, selectors.DefaultSelector() as selector:
        selector.register(control, selectors.EVENT_READ)
        while True:
            for key, _ in selector.select():
                if key.fileobj is not control:
                    _report(key.data, key.fd)
                    selector.unregister(key.fd)
                    os.close(key.fd)
                    continue
                message, descriptors, _, _ = socket.recv_fds(control, MESSAGE, 3)
                if not message:
                    sys.exit()
                connection = socket.socket(fileno=descriptors[0])
                if pid := os.fork():
                    selector.register(os.pidfd_open(pid), selectors.EVENT_READ, (pid, connection))
                    for descriptor in descriptors[1:]:
                        os.close(descriptor)
                    continue
                request = json.loads(message)
                if request["session"]:
                    os.setsid()
                connection.send(str(os.getpid()).encode())
                return request, descriptors[1:]


def _report(ended: tuple[int, socket.socket], descriptor: int) -> None:
    pid, connection = ended
    _, status = os.waitpid(pid, 0)
    with connection, suppress(OSError):  # whoever started it is gone
        connection.send(str(status).encode())


def _become(request: dict[str, Any], streams: Sequence[int]) -> None:
    """Turn this process into the command."""
    for target, descriptor in zip((0, 1, 2), (streams[0], streams[1], streams[1]), strict=True):
        os.dup2(descriptor, target)
    os.closerange(3, os.sysconf("SC_OPEN_MAX"))
    signal.signal(signal.SIGINT, signal.default_int_handler)
    os.umask(request["umask"])
    os.chdir(request["folder"])
    os.environ.clear()
    os.environ.update(request["environment"])
    sys.dont_write_bytecode = bool(os.environ.get("PYTHONDONTWRITEBYTECODE"))
    sys.argv = request["argv"]
    program = sys.argv[0]
    places = [place for place in os.environ.get("PYTHONPATH", "").split(os.pathsep) if place]
    sys.path[0:1] = [str(Path(program).resolve().parent), *places]
    if "numpy" in sys.modules:
        sys.modules["numpy"].random.seed()  # as after an import; Python's own generator is seeded anew in a fork
    _run_to_the_end(program)


def _run_to_the_end(program: str) -> None:
    """Run a script and end as the interpreter does, but let the kernel free what was imported: that takes a second."""
    code = 0
    try:
        runpy.run_path(program, run_name="__main__")
    except SystemExit as end:
        if end.code is not None and not isinstance(end.code, int):
            raise  # the interpreter prints it, as it prints other exceptions
        code = end.code or 0
    threading._shutdown()  # waits for threads
    atexit._run_exitfuncs()
    for stream in (sys.stdout, sys.stderr):
        with suppress(ValueError):  # it is closed
            stream.flush()
    os._exit(code & 0xFF)


if __name__ == "__main__":
    _become(*_serve(int(sys.argv[1]), sys.argv[2:]))
