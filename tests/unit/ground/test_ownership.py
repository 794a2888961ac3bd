"""A lock belongs to a living process; whoever takes it over from a dead one learns its name."""

from __future__ import annotations

import errno
import fcntl
import json
import os
import socket
import subprocess
import sys
from dataclasses import asdict, replace
from pathlib import Path

import pytest

from sensorium import ownership
from sensorium.ownership import HeldError, Owner, hold, read_owner

HOLDER = """
import os, sys, time
from pathlib import Path
from sensorium.ownership import hold
with hold(Path(sys.argv[1])):
    child = os.fork() if "fork" in sys.argv else 1  # as the workers that load data are
    if child == 0:
        while os.getppid() == int(sys.argv[3]):
            time.sleep(0.1)
        time.sleep(1)
        os._exit(0)
    print("held", flush=True)
    time.sleep(600)
"""


@pytest.fixture
def lock(tmp_path: Path) -> Path:
    return tmp_path / "folder/lock"


@pytest.fixture
def holder(lock: Path, request: pytest.FixtureRequest):
    """Another process that holds the lock."""
    code = HOLDER.replace("int(sys.argv[3])", "parent").replace("with hold", "parent = os.getpid()\nwith hold")
    command = [sys.executable, "-c", code, lock, *getattr(request, "param", [])]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        assert process.stdout.readline() == "held\n"
        yield process
        process.kill()


@pytest.fixture
def no_locks(monkeypatch: pytest.MonkeyPatch) -> None:
    """A file system that has none."""

    def refuse(handle: int, operation: int) -> None:
        raise OSError(errno.ENOLCK, "No locks available")

    monkeypatch.setattr(fcntl, "flock", refuse)


def end(holder: subprocess.Popen[str]) -> None:
    holder.kill()
    holder.wait()


def refusal(lock: Path) -> str:
    with pytest.raises(HeldError) as refused, hold(lock):
        pass
    return str(refused.value)


def test_one_that_lives_is_named(lock: Path, holder) -> None:
    message = refusal(lock)
    assert message.startswith(f"process {holder.pid} on {socket.gethostname()}, since 20")
    assert "-c" in message
    owner = read_owner(lock)
    assert owner is not None
    assert owner.is_gone() is False
    lock.write_text(json.dumps(asdict(replace(owner, host="node17"))))
    assert refusal(lock).endswith(")")  # no advice to delete a lock that is held


def test_one_that_has_not_written_its_name_yet(lock: Path, holder, monkeypatch: pytest.MonkeyPatch) -> None:
    """As one that only looks whether the lock is free: it is gone in a moment."""
    lock.write_text("")
    monkeypatch.setattr(ownership, "RELEASE_SECONDS", 0.3)
    assert refusal(lock) == f"a process that has not written its name into {lock} yet"


def test_one_that_was_killed_is_named_to_its_successor(lock: Path, holder) -> None:
    end(holder)
    owner = read_owner(lock)
    assert owner is not None
    assert owner.is_gone()
    with hold(lock) as former:
        assert former is not None
        assert former.pid == holder.pid
    with hold(lock) as former:
        assert former is None  # the successor gave it up


@pytest.mark.parametrize("step", ["pwrite", "fsync"])
def test_a_takeover_that_fails_leaves_a_name(lock: Path, holder, monkeypatch: pytest.MonkeyPatch, step: str) -> None:
    """Else the next one would not know that anybody has been there."""
    end(holder)

    def fail(*_: object) -> None:
        raise OSError(errno.EIO, "Input/output error")

    with monkeypatch.context() as patched:
        patched.setattr(os, step, fail)
        with pytest.raises(OSError, match="Input/output"), hold(lock):
            pass
    with hold(lock) as former:
        assert former is not None


@pytest.mark.parametrize("holder", [["fork"]], indirect=True)
def test_children_of_a_killed_holder_are_waited_for(lock: Path, holder) -> None:
    """A forked child shares the lock until it notices that its parent is gone."""
    end(holder)
    with hold(lock) as former:
        assert former is not None
        assert former.pid == holder.pid


def test_an_error_gives_the_lock_up(lock: Path) -> None:
    with pytest.raises(RuntimeError), hold(lock):
        raise RuntimeError
    assert read_owner(lock) is None


def test_a_later_process_with_the_same_number_is_not_its_owner(lock: Path) -> None:
    assert Owner.here().is_gone() is False
    assert replace(Owner.here(), started="another boot 17").is_gone()


def test_a_zombie_is_gone() -> None:
    with subprocess.Popen(["true"]) as process:
        os.waitid(os.P_PID, process.pid, os.WEXITED | os.WNOWAIT)
        assert ownership._start_of(process.pid) == ""


@pytest.mark.parametrize("text", ["", "{", "[]", '{"pid": 3}', '{"pid": 3, "more": 1}', "\0" * 40, "pid 3\n"])
def test_a_record_that_names_nobody(lock: Path, text: str) -> None:
    lock.parent.mkdir()
    lock.write_text(text)
    with hold(lock) as former:
        assert former is None


@pytest.mark.parametrize("assume_gone", [False, True])
def test_without_locks_a_process_of_this_machine_is_looked_up(
    lock: Path, holder, no_locks: None, assume_gone: bool
) -> None:
    with pytest.raises(HeldError, match=f"process {holder.pid} on "), hold(lock, assume_gone=assume_gone):
        pass
    end(holder)
    with hold(lock, assume_gone=assume_gone) as former:
        assert former is not None
        assert former.pid == holder.pid


def test_without_locks_another_machine_is_respected_unless_it_is_assumed_gone(lock: Path, no_locks: None) -> None:
    lock.parent.mkdir()
    lock.write_text(json.dumps(asdict(replace(Owner.here(), host="node17"))))
    assert "on node17, since 20" in refusal(lock)
    assert f", unless it is gone: then delete {lock}" in refusal(lock)
    with hold(lock, assume_gone=True) as former:
        assert former is not None
        assert former.host == "node17"


def test_a_lock_that_is_free_proves_that_its_owner_on_another_machine_is_gone(lock: Path) -> None:
    lock.parent.mkdir()
    lock.write_text(json.dumps(asdict(replace(Owner.here(), host="node17"))))
    with hold(lock) as former:
        assert former is not None
        assert former.host == "node17"


def test_a_long_command_is_shortened(lock: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "argv", ["/bin/sensorium", "train-fusion", "--config", "x" * 1000])
    assert len(str(Owner.here())) < 250
    monkeypatch.setattr(sys, "argv", ["/src/sensorium/__main__.py", "collect", "a b"])
    assert Owner.here().command == "sensorium collect 'a b'"


def test_a_link_is_not_written_through(lock: Path) -> None:
    lock.parent.mkdir()
    (lock.parent / "letter").write_text("dear")
    lock.symlink_to("letter")
    with pytest.raises(OSError, match="symbolic links"), hold(lock):
        pass
    assert (lock.parent / "letter").read_text() == "dear"
