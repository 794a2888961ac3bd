"""The page of `sensorium continue --page` in a real browser, without a network. Skipped where there is no Chromium."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path

import numpy as np
import pytest
from chromium import Browser, program

sys.path.insert(0, str(Path(__file__).parents[1] / "unit"))
from sensorium.music import page
from sensorium.music.page import TITLES, SoundPage
from sensorium.music.sound_files import RATE

pytestmark = pytest.mark.skipif(program() is None, reason="needs Chromium: apt-get install chromium-headless-shell")
SECONDS = 6


def write_page(folder: Path) -> Path:
    """A page of seven tones, each a third above the one before."""
    time = np.arange(SECONDS * RATE) / RATE
    with ExitStack() as files:
        made = SoundPage(folder, files, 2, len(time))
        for number, name in enumerate(TITLES):
            wave = 0.2 * np.sin(2 * np.pi * 220 * 1.26**number * time) * (time % 1 < 0.5)
            for start in range(0, len(time), 50_000):
                for hear in made.hears(name):
                    hear(np.stack([wave[start : start + 50_000]] * 2).astype(np.float32))
        made.write({"a": "<first> & one.mp3", "b": "second.flac"}, "a table <of> numbers")
    return folder / "index.html"


@pytest.fixture(params=["inside", "beside"])
def browser(request: pytest.FixtureRequest, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Browser]:
    """On a page whose sounds are inside it, or beside it."""
    if request.param == "beside":
        monkeypatch.setattr(page, "INLINE", 1000)
    path = write_page(tmp_path / "page")
    assert sorted(file.name for file in path.parent.iterdir()) == sorted(
        ["index.html", *(f"{name}.mp3" for name in TITLES if request.param == "beside")]
    )
    browser = Browser(
        tmp_path / "profile", "--autoplay-policy=no-user-gesture-required", "--host-resolver-rules=MAP * ~NOTFOUND"
    )
    try:
        browser.send("Page.navigate", url=path.as_uri())
        browser.wait("location.protocol === 'file:' && document.readyState === 'complete'", 20)
        yield browser
    finally:
        browser.close()


def press(browser: Browser, key: str, code: str) -> None:
    """Press a key that writes something."""
    for kind in ("keyDown", "keyUp"):
        browser.send("Input.dispatchKeyEvent", type=kind, key=key, code=code, text=key)


def test_every_sound_plays_and_keys_change_between_them(browser: Browser) -> None:
    browser.wait("sounds.every(sound => sound.readyState === 4)", 20)
    assert browser.evaluate("sounds.map(sound => sound.duration)") == pytest.approx([SECONDS] * len(TITLES), abs=0.1)
    assert browser.evaluate("[...document.images].every(image => image.naturalWidth === 1000 && image.alt)")
    assert browser.evaluate("[...document.querySelectorAll('h2')].map(each => each.innerText)") == [
        *(f"{number} {title}" for number, title in enumerate(TITLES.values(), start=1)), "What was done",
    ]  # fmt: skip
    text = browser.evaluate("document.body.innerText")
    assert "The drums of <first> & one.mp3 with the harmony of second.flac" in text
    assert "a table <of> numbers" in text
    press(browser, " ", "Space")  # keys alone
    browser.wait("sounds[0].currentTime > 0.2", 20)
    press(browser, "5", "Digit5")
    browser.wait("sounds[4].currentTime > 0.3", 20)
    assert browser.evaluate("[now, document.activeElement === sounds[4]]") == [4, True]
    assert browser.evaluate("sounds.map(sound => sound.paused)") == [number != 4 for number in range(len(TITLES))]
    line = "parseFloat(sections[4].querySelector('figure div').style.left)"
    assert browser.wait(f"{line} > 5", 20) < 50
    press(browser, " ", "Space")
    assert browser.evaluate("sounds[4].paused")
    press(browser, "9", "Digit9")  # there is no ninth
    assert browser.evaluate("now") == 4
    browser.evaluate("sounds[1].play()")
    browser.wait("now === 1 && sounds[4].paused", 20)
    assert browser.complaints() == []
    loaded = browser.evaluate("performance.getEntriesByType('resource').map(each => each.name)")
    assert not [name for name in loaded if not name.startswith(("data:", "file:"))]


def test_a_click_on_a_picture_goes_there(browser: Browser) -> None:
    browser.wait("sounds.every(sound => sound.readyState === 4)", 20)
    box = browser.evaluate("(b => [b.left, b.top, b.width])(sections[0].querySelector('img').getBoundingClientRect())")
    place = {"x": box[0] + box[2] * (0.05 + 0.94 / 2), "y": box[1] + 20, "button": "left", "clickCount": 1}
    for kind in ("mousePressed", "mouseReleased"):
        browser.send("Input.dispatchMouseEvent", type=kind, **place)
    browser.wait("sounds[0].currentTime > 0", 20)
    assert browser.evaluate("sounds[0].currentTime") == pytest.approx(SECONDS / 2, abs=0.1)
