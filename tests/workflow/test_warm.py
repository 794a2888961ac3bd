"""A process that starts warm is what a fresh one is."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import tempfile
from pathlib import Path

import pytest

import warm

PROGRAM = f"""#!{sys.executable}
import atexit, json, logging, os, random, signal, sys, threading
seen = {{
    "argv": sys.argv, "name": __name__, "file": __file__, "path": sys.path, "environment": dict(os.environ),
    "folder": os.getcwd(), "umask": os.umask(0), "group": os.getpgrp(), "session": os.getsid(0),
    "signals": {{int(number): str(signal.getsignal(number)) for number in signal.valid_signals()}},
    "blocked": sorted(signal.pthread_sigmask(signal.SIG_BLOCK, ())), "stdin": sys.stdin.read(),
    "bytecode": sys.dont_write_bytecode, "threads": threading.active_count(), "handlers": logging.getLogger().handlers,
    "files": [name for name in os.listdir("/proc/self/fd") if os.path.exists("/proc/self/fd/" + name)],
    "own": sorted(name for name in sys.modules if name.startswith(("sensorium", "snakemake"))),
}}
print(json.dumps(seen))
print(random.random())
atexit.register(print, "at the end")
print("an error", file=sys.stderr, flush=True)
sys.exit(3)
"""


@pytest.fixture
def program(tmp_path: Path) -> Path:
    """A script in the place of `snakemake`; its folder."""
    folder = tmp_path / "bin"
    folder.mkdir()
    return folder


def write(folder: Path, text: str) -> None:
    (folder / "snakemake").write_text(text)
    (folder / "snakemake").chmod(0o755)


def environment(folder: Path) -> dict[str, str]:
    return {
        **os.environ,
        "PATH": f"{folder}:{os.environ['PATH']}",
        "PYTHONPATH": f"{folder}/one:{folder}/two",
        "X": "1",
    }


@pytest.mark.parametrize("bytecode", ["", "1"])
def test_it_sees_what_a_fresh_one_sees(program: Path, tmp_path: Path, bytecode: str) -> None:
    write(program, PROGRAM)
    words, given = ("snakemake", "-n", "a b"), {**environment(program), "PYTHONDONTWRITEBYTECODE": bytecode}
    old = os.umask(0o027)
    try:
        found = warm.run(words, tmp_path, given, 60)
        fresh = subprocess.run(
            words, cwd=tmp_path, env=given, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
            text=True, check=False,
        )  # fmt: skip
    finally:
        os.umask(old)
    assert found.returncode == fresh.returncode == 3
    seen, expected = (
        [json.loads(line) for line in done.stdout.splitlines() if line.startswith("{")] for done in (found, fresh)
    )
    assert seen == expected
    assert (expected[0]["umask"], expected[0]["folder"]) == (0o027, str(tmp_path))
    for done in (found, fresh):
        assert {"an error", "at the end"} < set(done.stdout.splitlines())


def test_each_draws_numbers_of_its_own(program: Path, tmp_path: Path) -> None:
    write(program, f"#!{sys.executable}\nimport numpy, random\nprint(random.random(), numpy.random.random())\n")
    first, second = (warm.run(["snakemake"], tmp_path, environment(program), 60).stdout.split() for _ in range(2))
    assert not set(first) & set(second)


def test_where_the_sources_stay_it_has_imported_them_in_their_folder(program: Path, tmp_path: Path) -> None:
    write(program, PROGRAM)
    given = environment(program) | {"PYTHONPATH": str(Path(__file__).parents[2] / "src")}
    lines = warm.run(["snakemake"], tmp_path, given, 60, unchanged=True).stdout.splitlines()
    seen = json.loads(next(line for line in lines if line.startswith("{")))
    assert {"sensorium.settings", "snakemake.cli"} < set(seen["own"])
    assert seen["environment"] == given
    assert seen["folder"] == str(tmp_path)
    write(program, f"#!{sys.executable}\nfrom snakemake import cli\nprint(cli.__name__)\n")
    assert warm.run(["snakemake"], tmp_path, given, 60, unchanged=True).stdout == "snakemake.cli\n"


def test_how_it_ends(program: Path, tmp_path: Path) -> None:
    write(program, f"#!{sys.executable}\nimport os, sys, time\nexec(sys.argv[1])\n")
    given = environment(program)
    for code, ended, said in (
        ("pass", 0, ""),
        ("sys.exit('why')", 1, "why"),
        ("1 / 0", 1, "ZeroDivisionError"),
        ("os.kill(os.getpid(), 9)", -signal.SIGKILL, ""),
    ):
        done = warm.run(["snakemake", code], tmp_path, given, 60)
        assert (done.returncode, said in done.stdout) == (ended, True), done.stdout
    with pytest.raises(subprocess.TimeoutExpired):
        warm.run(["snakemake", "time.sleep(60)"], tmp_path, given, 0.1)


def test_one_with_a_session_of_its_own_is_killed_as_a_group(program: Path, tmp_path: Path) -> None:
    write(program, f"#!{sys.executable}\nimport time\ntime.sleep(60)\n")
    process = warm.start(["snakemake"], tmp_path, environment(program), tmp_path / "log", session=True)
    assert process.poll() is None
    assert os.getsid(process.pid) == process.pid != os.getsid(0)
    os.killpg(process.pid, signal.SIGKILL)
    assert process.wait(60) == process.poll() == -signal.SIGKILL


def test_a_stand_in_does_as_its_namesake(program: Path, tmp_path: Path) -> None:
    """Output, code, end by a signal, and a signal that reaches the program itself."""
    write(program, f"#!{sys.executable}\nimport os, sys, time\nexec(sys.argv[1])\n")
    with tempfile.TemporaryDirectory(prefix="warm-") as folder:
        warm.stand_in(program / "snakemake", Path(folder))
        words = {"cwd": tmp_path, "env": environment(program), "stdout": subprocess.PIPE, "text": True}

        def start(code: str) -> subprocess.Popen[str]:
            return subprocess.Popen([f"{folder}/snakemake", code], **words)

        for code, ended, said in (
            ("print(sys.argv[0], os.getcwd(), os.environ['X'])", 0, f"{program}/snakemake {tmp_path} 1\n"),
            ("sys.exit(70)", 70, ""),
            ("os.kill(os.getpid(), 9)", -signal.SIGKILL, ""),
            ("os.kill(os.getpid(), 15)", -signal.SIGTERM, ""),
        ):
            process = start(code)
            assert (process.communicate(timeout=60)[0], process.returncode) == (said, ended)
        process = start("import signal; signal.signal(15, lambda *_: sys.exit(75)); print(flush=True); time.sleep(60)")
        assert process.stdout.readline() == "\n"
        process.terminate()
        assert process.wait(60) == 75
