"""`sensorium play` over loopback: what it serves, what it refuses, how it ends."""

from __future__ import annotations

import http.client
import json
import os
import signal
import subprocess
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, urlsplit

import numpy as np
import pytest
from dream_results import COPYING, PATCHES, begin_dream, open_parts, write_results

from sensorium.config import ConfigurationError
from sensorium.interactive.game import Game
from sensorium.interactive.parts import DreamParts
from sensorium.interactive.server import Server

SETTINGS = {"context": 4, "denoising_steps": 2, "seed": 0}


@contextmanager
def serving(parts: DreamParts) -> Iterator[Server]:
    with Server(0) as server:
        server.game = Game(parts, 0.5, **SETTINGS)
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02})
        thread.start()
        yield server
        server.shutdown()
        thread.join()


@pytest.fixture
def server(parts: DreamParts) -> Iterator[Server]:
    with serving(parts) as server:
        yield server


class Page:
    """What the page does, over one connection."""

    def __init__(self, server: Server) -> None:
        self.connection = http.client.HTTPConnection("127.0.0.1", server.server_port, timeout=60)
        self.token = server.token

    def ask(self, method: str, path: str, body: bytes | None = None, **headers: str) -> tuple[int, Any, bytes]:
        headers = {"Authorization": f"Bearer {self.token}", **headers}
        named = {name.replace("_", "-"): value for name, value in headers.items()}
        self.connection.request(method, path, body, named)
        answer = self.connection.getresponse()
        return answer.status, answer.headers, answer.read()

    def frame(self, path: str, **request: Any) -> tuple[dict[str, Any], np.ndarray, bytes]:
        status, _, body = self.ask("POST", path, json.dumps(request).encode(), Content_Type="application/json")
        assert status == 200, body
        length = int.from_bytes(body[:4], "little")
        header, pixels = json.loads(body[4 : 4 + length]), body[4 + length :]
        count = 2 if header.get("truth") else SETTINGS["context"] if path == "/begin" else 1
        pictures = np.frombuffer(pixels[: count * 16 * 16 * 3], np.uint8).reshape(count, 16, 16, 3)
        return header, pictures, pixels[count * 16 * 16 * 3 :]


def test_a_game(server, parts):
    page = Page(server)
    begun, pictures, _ = page.frame("/begin")
    assert begun["recording"] == "toy-2"
    assert begun["keys"] == ["ArrowLeft", "ArrowRight", "ArrowUp", "ArrowDown"]
    assert "hand" in begun["steering"]
    assert begun["frames_per_second"] == 16
    assert np.array_equal(pictures, parts.recordings.field("toy-2", "video")[:4])
    keys = [["ArrowLeft"], ["ArrowLeft", "ArrowUp"], [], ["ArrowRight", "KeyX"], ["ArrowRight"]]
    played = [page.frame("/step", session=begun["session"], keys=down) for down in keys]
    actions = [header["action"] for header, _, _ in played]
    assert actions == [[-1, 0], [-1, -1], [0, 0], [1, 0], [1, 0]]
    # what was played is what the same actions dream
    environment = begin_dream(parts, "toy-2", **SETTINGS)
    for (header, pictures, sound), action in zip(played, actions, strict=True):
        observation = environment.step(np.array(action, np.float32))
        assert np.array_equal(pictures, [observation.frame])  # and no truth: nobody recorded these actions
        assert header["doubt"] == pytest.approx(observation.round_trip_error / 0.5)
        assert sound == b""
    assert len(server.game.seconds) == 5


def test_a_game_with_sound(loud_parts):
    with serving(loud_parts) as server:
        page = Page(server)
        begun, _, _ = page.frame("/begin")
        assert begun["sample_rate"] == 16000
        environment = begin_dream(loud_parts, "toy-2", **SETTINGS)
        for _ in range(3):
            sound = page.frame("/step", session=begun["session"], keys=["ArrowUp"])[2]
            assert np.array_equal(np.frombuffer(sound, "<i2"), environment.step(np.array([0, -1], np.float32)).sound)


def test_each_beginning_is_of_another_recording(server):
    names = [Page(server).frame("/begin")[0]["recording"] for _ in range(4)]
    assert names == ["toy-2", "toy-3", "toy-4", "toy-2"]


def test_the_recorded_actions_are_followed_beside_the_truth(server, parts):
    """To the end of the recording; keys take over for good."""
    page, video = Page(server), parts.recordings.field("toy-2", "video")
    begun = page.frame("/begin")[0]
    assert begun["recorded"] == 16
    environment = begin_dream(parts, "toy-2", **SETTINGS)
    moves = parts.latents.field("toy-2", "action")
    for frame in range(4, 20):
        header, pictures, _ = page.frame("/step", session=begun["session"], keys="recorded")
        assert header["truth"]
        assert header["action"] == pytest.approx(moves[frame].tolist())
        assert np.array_equal(pictures, [environment.step(moves[frame]).frame, video[frame]])
    body = json.dumps({"session": begun["session"], "keys": "recorded"}).encode()
    status, _, said = page.ask("POST", "/step", body, Content_Type="application/json")
    assert (status, said) == (400, b"the recording has ended: send keys, or begin again\n")
    page = Page(server)
    assert not page.frame("/step", session=begun["session"], keys=[])[0]["truth"]
    session = page.frame("/begin", again=True)[0]["session"]
    keys = ("recorded", ["ArrowUp"], "recorded")
    assert [page.frame("/step", session=session, keys=down)[0]["truth"] for down in keys] == [True, False, False]


def test_again_from_the_same_moment(server):
    """The same recording and noise: the same keys dream the same pictures."""
    page, films = Page(server), []
    for again in (False, True, False, True):
        begun, _, _ = page.frame("/begin", again=again)
        steps = [page.frame("/step", session=begun["session"], keys=["ArrowUp"])[1] for _ in range(3)]
        films.append((begun["recording"], np.concatenate(steps)))
    assert [name for name, _ in films] == ["toy-2", "toy-2", "toy-3", "toy-3"]
    assert np.array_equal(films[0][1], films[1][1])
    assert np.array_equal(films[2][1], films[3][1])
    assert not np.array_equal(films[1][1], films[2][1])


def test_a_sharpness_is_kept_until_another_one(tmp_path, monkeypatch):
    """It changes what dynamics that copy dream, and nothing else."""
    monkeypatch.chdir(write_results(tmp_path, config=PATCHES, dynamics_config=COPYING))
    parts = open_parts()
    with serving(parts) as server:
        page, films, said = Page(server), [], []
        for again, asked in ((False, {}), (True, {"sharpness": 8}), (True, {}), (True, {"sharpness": 1})):
            begun, _, _ = page.frame("/begin", again=again, **asked)
            steps = [page.frame("/step", session=begun["session"], keys=["ArrowUp"])[1] for _ in range(3)]
            said.append((begun["copies"], begun["sharpness"]))
            films.append(np.concatenate(steps).astype(int))
    assert said == [(True, 1), (True, 8), (True, 8), (True, 1)]
    assert np.array_equal(films[0], films[3])
    assert np.array_equal(films[1], films[2])
    assert np.abs(films[0] - films[1]).max() > 20
    environment = begin_dream(parts, "toy-2", **SETTINGS, sharpness=8)
    assert np.array_equal(films[1][0], environment.step(np.array([0, -1], np.float32)).frame)


def test_without_actions_the_truth_stands_beside_the_dream_until_the_recording_ends(tmp_path, monkeypatch):
    monkeypatch.chdir(write_results(tmp_path, None))
    parts = open_parts()
    with serving(parts) as server:
        page = Page(server)
        begun = page.frame("/begin", again=True)[0]  # before any dream: the first one
        assert (begun["recording"], begun["keys"]) == ("toy-2", [])
        assert "Nothing steers" in begun["steering"]
        steps = [page.frame("/step", session=begun["session"], keys=[]) for _ in range(18)]
    assert [header["truth"] for header, _, _ in steps] == [True] * 16 + [False] * 2
    assert np.array_equal(steps[15][1][1], parts.recordings.field("toy-2", "video")[19])


def test_who_begins_takes_over(server):
    first, second = Page(server), Page(server)
    old = first.frame("/begin")[0]["session"]
    new = second.frame("/begin")[0]["session"]
    body = json.dumps({"session": old, "keys": []}).encode()
    status, _, said = first.ask("POST", "/step", body, Content_Type="application/json")
    assert status == 409
    assert b"another page" in said
    second.frame("/step", session=new, keys=[])  # and is not disturbed
    newest = first.frame("/begin")[0]["session"]
    first.frame("/step", session=newest, keys=[])


def test_many_pages_at_once_spoil_nothing(server, parts):
    """Steps of one dream from several connections come one after the other."""
    begun = Page(server).frame("/begin")[0]
    shown, lock = [], threading.Lock()

    def step() -> None:
        page = Page(server)
        for _ in range(5):
            picture = page.frame("/step", session=begun["session"], keys=["ArrowUp"])[1]
            with lock:
                shown.append(picture.tobytes())

    threads = [threading.Thread(target=step) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    environment = begin_dream(parts, begun["recording"], **SETTINGS)
    expected = [environment.step(np.array([0, -1], np.float32)).frame.tobytes() for _ in range(20)]
    assert sorted(shown) == sorted(expected)


def test_the_page_and_nothing_else(server):
    page = Page(server)
    kinds = {f"/?token={server.token}": "text/html", "/page.js": "text/javascript", "/page.css": "text/css"}
    for path, kind in kinds.items():
        status, headers, body = page.ask("GET", path)
        assert (status, headers.get_content_type()) == (200, kind)
        assert "default-src 'none'" in headers["Content-Security-Policy"]
        assert b"http://" not in body
        assert b"https://" not in body  # nothing from elsewhere
    for path in (
        "/server.py",
        "/page.html",
        "/../server.py",
        "/%2e%2e/server.py",
        "//etc/passwd",
        "/x?token=",
        "/begin",
    ):
        assert page.ask("GET", path)[0] == 404, path


GOOD = {"session": 1, "keys": []}


@pytest.mark.parametrize(
    ("status", "path", "body", "headers"),
    [
        (403, "/begin", "{}", {"Host": "rebound.example"}),
        (403, "/begin", "{}", {"Origin": "http://elsewhere.example"}),
        (403, "/begin", "{}", {"Origin": "null"}),
        (415, "/begin", "{}", {"Content_Type": "text/plain"}),
        (404, "/shell", "{}", {}),
        (400, "/begin", "[1]", {}),
        (400, "/begin", "{", {}),
        (413, "/step", " " * 5000, {}),
        (400, "/step", "{}", {"Content_Length": "-1"}),
        (400, "/begin", json.dumps({"again": False, "sharpness": True}), {}),
        (400, "/begin", json.dumps({"again": False, "sharpness": 0}), {}),
        (400, "/begin", json.dumps({"again": False, "sharpness": 1e9}), {}),
        (400, "/begin", json.dumps({"again": False, "sharpness": "4"}), {}),
        (400, "/begin", json.dumps({"again": 1}), {}),
        (400, "/step", json.dumps({**GOOD, "keys": "ArrowUp"}), {}),
        (400, "/step", json.dumps({"session": 1}), {}),
        (400, "/step", json.dumps({**GOOD, "keys": [1]}), {}),
        (400, "/step", json.dumps({**GOOD, "keys": ["x"] * 40}), {}),
        (409, "/step", json.dumps({**GOOD, "session": "1"}), {}),
    ],
)
def test_what_is_refused(server, status, path, body, headers):
    assert Page(server).frame("/begin")[0]["session"] == 1
    asked = {"Content_Type": "application/json", **headers}
    assert Page(server).ask("POST", path, body.encode(), **asked)[0] == status
    Page(server).frame("/step", **GOOD)  # and the game goes on


def test_before_the_model_is_loaded():
    with Server(0) as server:
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02})
        thread.start()
        status, _, said = Page(server).ask("POST", "/begin", b"{}", Content_Type="application/json")
        assert (status, said) == (503, b"the model is not loaded yet\n")
        server.shutdown()
        thread.join()


def test_only_this_machine_can_reach_it():
    with Server(0) as server:
        assert server.server_address[0] == "127.0.0.1"


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_a_signal_ends_it_with_a_page_still_open(place: Path, tmp_path: Path, number):
    """And the copy of what it printed lacks the address, whose token is for nobody else."""
    log = tmp_path / "play.log"
    arguments = [sys.executable, "-m", "sensorium", "--log", str(log), "play", "--port", "0", "--device", "cpu"]
    process = subprocess.Popen(
        arguments, cwd=place, env={**os.environ, "PYTHONUNBUFFERED": "1"}, text=True,
        stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
    )  # fmt: skip
    try:
        assert "loading" in process.stdout.readline()
        line = process.stdout.readline()
        assert line.startswith("Play at http://127.0.0.1:"), line
        address = urlsplit(line.split()[2])
        connection = http.client.HTTPConnection("127.0.0.1", address.port, timeout=60)
        bearer = {"Content-Type": "application/json", "Authorization": f"Bearer {parse_qs(address.query)['token'][0]}"}
        connection.request("POST", "/begin", b"{}", bearer)
        assert connection.getresponse().status == 200
        process.send_signal(number)
        rest = process.communicate(timeout=60)[0]
    finally:
        process.kill()
        process.wait()
    assert process.returncode == 0, rest
    assert "Traceback" not in rest
    assert "loading" in log.read_text()
    assert "token" not in log.read_text()


def test_a_wrong_recording_is_reported_at_once(place, monkeypatch):
    monkeypatch.chdir(place)
    with pytest.raises(ConfigurationError, match="'joy'"):
        open_parts().begin("joy", 3)
