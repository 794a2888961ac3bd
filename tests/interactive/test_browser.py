"""The page in a real browser: keys steer what is seen. Skipped where there is no Chromium."""

from __future__ import annotations

import re
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pytest
from chromium import Browser, program
from dream_results import CONSOLE, COPYING, PATCHES, begin_dream, open_parts, write_results
from PIL import Image

from sensorium.interactive.game import Game
from sensorium.interactive.parts import DreamParts
from sensorium.interactive.server import Server

pytestmark = pytest.mark.skipif(program() is None, reason="needs Chromium: apt-get install chromium-headless-shell")
SETTINGS = {"context": 4, "denoising_steps": 2, "seed": 0}
SNAPSHOT = """(() => {
  const {width, height} = canvas, rgba = paper.getImageData(0, 0, width, height).data;
  return {recording: dream.recording, actions, width, height, rgb: [...rgba].filter((_, place) => place % 4 < 3)};
})()"""


@dataclass(frozen=True)
class Table:
    """A browser on the page of a game that has not begun."""

    browser: Browser
    server: Server
    parts: DreamParts

    def snapshot(self) -> tuple[str, list[list[float]], np.ndarray]:
        """Recording, the actions so far, and the picture that they led to, from one moment."""
        page = self.browser.evaluate(SNAPSHOT)
        return page["recording"], page["actions"], np.reshape(page["rgb"], (page["height"], page["width"], 3))

    def dreamed(self, recording: str, actions: list[list[float]]) -> np.ndarray:
        """The picture that these actions should lead to."""
        environment = begin_dream(self.parts, recording, **SETTINGS)
        return [environment.step(np.array(action, np.float32)).frame for action in actions][-1]

    def text(self, name: str) -> str:
        """Text of an element."""
        return self.browser.evaluate(f"document.getElementById({name!r}).textContent")


@contextmanager
def laid(parts: DreamParts, folder: Path, address: str = "", to: str = "") -> Iterator[Table]:
    """A table, at the server's address or at another one, with {token}; what goes `to` a host and port reaches it."""
    with Server(0) as server:
        server.game = Game(parts, 0.5, **SETTINGS)
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02})
        thread.start()
        url = address.format(token=server.token) or server.address
        browser = Browser(folder, f"--host-resolver-rules=MAP {to or '*'} 127.0.0.1:{server.server_port}")
        try:
            size = {"width": 1024, "height": 620, "deviceScaleFactor": 1, "mobile": False}
            browser.send("Emulation.setDeviceMetricsOverride", **size)
            browser.send("Page.navigate", url=url)
            browser.wait("location.host && document.readyState == 'complete'")
            yield Table(browser, server, parts)
        finally:
            browser.close()
            server.shutdown()
            thread.join()


@pytest.fixture
def table(parts: DreamParts, tmp_path: Path) -> Iterator[Table]:
    with laid(parts, tmp_path / "profile") as table:
        yield table


def test_keys_steer_what_is_seen(table):
    table.browser.key("ArrowLeft", True)  # begins again, and steers from the first frame on
    table.browser.wait("steered && actions.length >= 4")
    recording, left, picture = table.snapshot()
    assert all(action == [-1, 0] for action in left)
    assert np.array_equal(picture, table.dreamed(recording, left))
    table.browser.key("ArrowLeft", False)
    table.browser.key("ArrowRight", True)
    table.browser.wait("actions.filter(action => action[0] == 1).length >= 3")
    same, both, later = table.snapshot()
    table.browser.key("ArrowRight", False)
    assert same == recording
    assert both[: len(left)] == left
    assert np.array_equal(later, table.dreamed(recording, both))
    assert not np.array_equal(later, picture)
    assert not np.array_equal(later, table.dreamed(recording, [[-1, 0]] * len(both)))  # as if left had stayed down
    assert table.browser.complaints() == []


def test_the_slider_of_dynamics_that_copy(table, tmp_path, monkeypatch):
    """It begins again from the same moment; dynamics that do not copy have none."""
    table.browser.wait("actions.length >= 1")
    shown = "getComputedStyle(document.getElementById('sharper')).display"
    assert table.browser.evaluate(shown) == "none"
    doubted = "getComputedStyle(document.getElementById('doubted')).display"
    assert table.browser.evaluate(doubted) != "none"
    monkeypatch.chdir(write_results(tmp_path, config=PATCHES, dynamics_config=COPYING))
    with laid(open_parts(), tmp_path / "profile") as copying:
        copying.browser.wait("actions.length >= 1")
        assert copying.browser.evaluate(shown) != "none"
        assert copying.browser.evaluate(doubted) == "none"  # patches lose nothing, so a round trip says nothing
        assert copying.text("power") == "1.0: the mean of what may come"
        slide = "(e => { e.value = 3; for (const n of ['input', 'change']) e.dispatchEvent(new Event(n)); })"
        copying.browser.evaluate(f"{slide}(document.getElementById('sharpness')); 0")
        copying.browser.wait("dream && dream.sharpness == 8 && actions.length >= 2")
        assert copying.text("power") == "8.0: one of what may come"
        assert copying.text("recording") == "toy-2"
        assert "--sharpness 8" in copying.text("replay")
        recording, actions, picture = copying.snapshot()
        environment = begin_dream(copying.parts, recording, **SETTINGS, sharpness=8)
        expected = [environment.step(np.array(action, np.float32)).frame for action in actions][-1]
        assert np.array_equal(picture, expected)
        assert copying.browser.complaints() == []


def test_what_the_page_reports(table, tmp_path):
    table.browser.wait("actions.length >= 3")
    assert re.fullmatch(r"[\d.]+ / [\d.]+ ms", table.text("time"))
    assert re.fullmatch(r"[\d.]+ of 16", table.text("rate"))
    assert re.fullmatch(r"doubt: [\d.]+ x that of true frames", table.text("trust"))
    assert table.text("recording") == "toy-2"
    assert table.text("title") == "Steer a dream"
    assert table.text("steering").startswith("You steer a hand")
    assert table.text("keys") == "\u2190\u2192\u2191\u2193"
    assert "--recording toy-2 --context 4 --denoising-steps 2 --stillness 0 --sharpness 1 --seed 0" in table.text(
        "replay"
    )
    table.browser.evaluate("document.getElementById('restart').click()")
    table.browser.wait("dream && dream.recording == 'toy-3' && actions.length >= 2")
    # another page begins a dream: this one says so and stands still
    table.server.dreaming.submit(table.server.game.begin, False).result()
    table.browser.wait("document.getElementById('state').textContent.includes('another page')")
    table.browser.screenshot(tmp_path / "page.png")
    seen = np.asarray(Image.open(tmp_path / "page.png").convert("RGB")).astype(int)
    box = table.browser.evaluate("(({left, top}) => [left, top])(canvas.getBoundingClientRect())")
    picture = np.reshape(table.browser.evaluate(SNAPSHOT.replace("dream.recording", "''"))["rgb"], (16, 16, 3))
    border, large = 6, 384 // 16  # pixels: each dreamed one is a block without smoothing
    places = np.arange(16) * large + border
    for within in (2, large - 3):
        shown = seen[np.ix_(places + int(box[1]) + within, places + int(box[0]) + within)]
        assert np.abs(shown - picture).max() <= 2


def test_it_begins_with_the_recorded_actions_beside_the_recording_over_and_over(table):
    """Given frames first; then the truth of each frame beside it; at the end it begins again, until a key steers."""
    watch = (
        "window.seen = []; const shown = showFrame; showFrame = (pictures, given, hasTruth) => {"
        "shown(pictures, given, hasTruth); seen.push([given, hasTruth, actions.length]); }"
    )
    table.browser.wait("dream")
    table.browser.evaluate(f"{watch}; begin(true, false); 0")
    table.browser.wait("actions.length >= 5")
    page = table.browser.evaluate(SNAPSHOT.replace("paper", "truth"))
    video, moves = (place.field("toy-2", name) for place, name in
                    ((table.parts.recordings, "video"), (table.parts.latents, "action")))  # fmt: skip
    assert np.allclose(page["actions"], moves[4 : 4 + len(page["actions"])])
    assert np.array_equal(np.reshape(page["rgb"], (16, 16, 3)), video[3 + len(page["actions"])])
    assert table.text("recorded") == "what was recorded"
    table.browser.wait("seen.filter(([given]) => given).length >= 8")  # begun once more
    seen = table.browser.evaluate("seen")
    given, dreamed = [[True, True, 0]] * 4, [[False, True, frame] for frame in range(16)]
    assert seen[:24] == [*given, *dreamed, *given]
    table.browser.key("ArrowDown", True)
    table.browser.wait("steered && actions.length >= 2")
    assert table.text("recorded") == "nobody recorded what your keys do"
    assert table.browser.evaluate("element('beside').className") == "absent"
    assert table.browser.complaints() == []


def test_again_from_the_same_moment(table):
    """By its key and by its button: what steered goes on steering, from the same frame."""
    table.browser.key("ArrowLeft", True)
    table.browser.wait("steered && actions.length >= 3")
    assert table.browser.evaluate("[...document.querySelectorAll('kbd.down')].map(key => key.dataset.code)") == [
        "ArrowLeft"
    ]
    table.browser.key("ArrowLeft", False)
    assert table.browser.evaluate("document.querySelectorAll('kbd.down').length") == 0
    for begin_again in (
        lambda: table.browser.key("r", True),
        lambda: table.browser.evaluate("document.getElementById('again').click()"),
    ):
        before = table.browser.evaluate("dream.session")
        begin_again()
        table.browser.wait(f"dream.session == {before + 1} && actions.length >= 2")
        recording, actions, picture = table.snapshot()
        assert (recording, actions) == ("toy-2", [[0, 0]] * len(actions))
        assert np.array_equal(picture, table.dreamed(recording, actions))
    assert table.browser.complaints() == []


@pytest.mark.parametrize(("action", "keys"), [(None, 0), (CONSOLE, 5)])
def test_other_worlds(tmp_path, monkeypatch, action, keys):
    """A world that nobody steers dreams on when its recording has ended; a console has a button more."""
    monkeypatch.chdir(write_results(tmp_path / "world", action))
    with laid(open_parts(), tmp_path / "profile") as table:
        table.browser.wait("actions.length >= 2")
        assert table.text("recorded") == "what was recorded"
        assert table.browser.evaluate("document.querySelectorAll('kbd').length") == keys
        if not keys:
            table.browser.wait("actions.length >= 18")
            assert table.text("recorded") == "the recording has ended"
            assert table.text("title") == "Watch a dream"
        assert table.browser.complaints() == []


def test_a_page_without_its_server_says_so(table):
    table.browser.wait("actions.length >= 1")
    table.server.game = None
    table.browser.wait("document.getElementById('state').textContent.startsWith('Stopped')")


def test_what_is_dreamed_is_heard(loud_parts, tmp_path):
    """Sound is laid end to end, each frame's after the one before, or a little ahead where it fell behind."""
    with laid(loud_parts, tmp_path / "profile") as table:
        table.browser.evaluate(
            "window.starts = []; const start = AudioBufferSourceNode.prototype.start;"
            "AudioBufferSourceNode.prototype.start = function (at) { const {buffer, context} = this;"
            "starts.push([at, context.currentTime, buffer.duration, Math.max(...buffer.getChannelData(0))]);"
            "start.call(this, at); }"
        )
        table.browser.key("ArrowUp", True)
        table.browser.wait("starts.length >= 6")
        start, now, duration, loudest = np.array(table.browser.evaluate("starts")).T
        assert duration == pytest.approx(1 / 16)
        assert loudest.max() > 0.01
        end = np.concatenate([[0], (start + duration)[:-1]])
        assert np.minimum(np.abs(start - end), np.abs(start - now - 0.05)).max() < 1e-3
        assert (start >= np.maximum(now, end) - 1e-6).all()
        assert table.browser.complaints() == []


@pytest.mark.parametrize("host", ["127.0.0.1", "127.0.0.1:9000", "localhost:9001"])
def test_it_is_played_through_another_port(parts, tmp_path, host):
    """As on port 80, which browsers leave out of Host and Origin, and behind `ssh -L`."""
    to = host if ":" in host else f"{host}:80"
    with laid(parts, tmp_path / "profile", f"http://{host}/?token={{token}}", to) as table:
        table.browser.key("ArrowLeft", True)
        table.browser.wait("actions.length >= 2")
        assert table.browser.evaluate("location.host") == host
        assert table.browser.complaints() == []


@pytest.mark.parametrize("address", ["http://rebound.example/?token={token}", "http://127.0.0.1:9000/?token=guessed"])
def test_a_rebound_name_and_a_guessed_token_see_no_page(parts, tmp_path, address):
    with laid(parts, tmp_path / "profile", address, "*") as table:
        assert table.browser.evaluate("document.getElementById('screen')") is None
        assert "open the" in table.browser.evaluate("document.body.innerText")
        steal = "fetch('/begin', {method: 'POST', headers: {'Content-Type': 'application/json'}, body: '{}'})"
        assert table.browser.evaluate(f"{steal}.then(answer => answer.status)") == 403
