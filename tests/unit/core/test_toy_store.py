"""Toys that processes share are trained once, and anew when a source changes that trains them."""

from __future__ import annotations

import os
import time
from pathlib import Path

import pytest
import toy_store


@pytest.fixture
def sources(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A module that imports another, which imports a third in a package; and a store."""
    (tmp_path / "package").mkdir()
    (tmp_path / "package/__init__.py").touch()
    (tmp_path / "package/third.py").write_text("import os\n")
    (tmp_path / "second.py").write_text("from package import third\n")
    (tmp_path / "first.py").write_text("import second\n")
    (tmp_path / "stranger.py").write_text("")
    monkeypatch.setattr(toy_store, "ROOTS", (tmp_path,))
    monkeypatch.setenv(toy_store.TOYS, str(tmp_path / "store"))
    return tmp_path


def asked(folder: Path) -> bool:
    """Whether a training was needed for a toy in a folder."""
    trained = []

    def train() -> None:
        trained.append(1)
        (folder / "toy").mkdir(parents=True)
        (folder / "toy/weights").write_text("1")

    toy_store.shared(["first"], ["toy"], folder, train)
    assert (folder / "toy/weights").read_text() == "1"
    return bool(trained)


@pytest.mark.parametrize("changed", ["first.py", "second.py", "package/third.py", "package/__init__.py"])
def test_the_second_process_finds_what_the_first_has_trained_until_a_source_changes(
    sources: Path, changed: str
) -> None:
    assert asked(sources / "a")
    assert not asked(sources / "b")
    (sources / "stranger.py").write_text("changed = 1\n")
    assert not asked(sources / "c")
    with (sources / changed).open("a") as source:
        source.write("changed = 1\n")
    assert asked(sources / "d")
    assert not asked(sources / "e")


def test_what_nobody_asked_for_in_a_week_goes_when_something_else_is_stored(sources: Path) -> None:
    text = (sources / "first.py").read_text()
    asked(sources / "a")
    for age, kept in ((0.0, True), (toy_store.WEEK + 60, False)):
        for done in (sources / "store").glob("*/done"):
            os.utime(done, (time.time() - age,) * 2)
        (sources / "first.py").write_text(f"{text}age = {age}\n")
        assert asked(sources / f"b{age}")
        (sources / "first.py").write_text(text)
        assert asked(sources / f"c{age}") is not kept


def test_a_training_that_failed_leaves_nothing_to_find(sources: Path) -> None:
    def fail() -> None:
        raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        toy_store.shared(["first"], ["toy"], sources / "a", fail)
    assert asked(sources / "b")


def test_without_a_store_each_trains(sources: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv(toy_store.TOYS)
    assert asked(sources / "a")
    assert asked(sources / "b")
