"""Doors: `sensorium play` obeys nobody else and answers whatever comes; no document opens a port to the network."""

from __future__ import annotations

import json
import random
import re
import socket
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest

from sensorium.cli import main
from sensorium.interactive.server import LARGEST_REQUEST, Handler, Server

ROOT = Path(__file__).parents[2]
JSON = b"Content-Type: application/json\r\n"


class Stub:
    """A game that shows nothing."""

    def begin(self, again: object, sharpness: object = None) -> bytes:
        return b"begun"

    def step(self, session: object, keys: object) -> bytes:
        raise ZeroDivisionError("a defect of the model")


class Doors(Server):
    """A server that records what it failed at."""

    def __init__(self, port: int) -> None:
        super().__init__(port)
        self.game = Stub()  # type: ignore[assignment]
        self.failures: list[object] = []

    def handle_error(self, request: object, client_address: object) -> None:
        self.failures.append(request)
        super().handle_error(request, client_address)


@pytest.fixture
def server(monkeypatch: pytest.MonkeyPatch) -> Iterator[Doors]:
    monkeypatch.setattr(Handler, "timeout", 0.3)
    with Doors(0) as server:
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02})
        thread.start()
        yield server
        server.shutdown()
        thread.join()
        assert not server.failures


def answer(server: Server, request: bytes, half_close: bool = False) -> bytes:
    """All that comes back on a connection of its own."""
    with socket.create_connection(("127.0.0.1", server.server_port), timeout=20) as connection:
        connection.sendall(request)
        if half_close:
            connection.shutdown(socket.SHUT_WR)
        return b"".join(iter(lambda: connection.recv(2**16), b""))


def status(server: Server, request: bytes, half_close: bool = False) -> int:
    """Status of the first answer; 0: there was none."""
    found = re.match(rb"HTTP/1\.1 (\d{3}) ", answer(server, request, half_close))
    return int(found[1]) if found else 0


def post(server: Server, body: bytes, headers: bytes = JSON, path: bytes = b"/begin", length: object = None) -> bytes:
    """A request as the page sends it, on a connection that ends with its answer."""
    count = str(len(body) if length is None else length).encode()
    token = server.token.encode()
    return (
        b"POST " + path + b" HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\nAuthorization: Bearer " + token
        + b"\r\n" + headers + b"Content-Length: " + count + b"\r\n\r\n" + body
    )  # fmt: skip


def get(path: str, host: str, *headers: str) -> bytes:
    lines = [f"GET {path} HTTP/1.1", f"Host: {host}", "Connection: close", *headers]
    return "\r\n".join([*lines, "", ""]).encode()


@pytest.mark.parametrize(
    "host",
    ["localhost", "LocalHost:9000", "127.0.0.1", "127.0.0.1:80", "127.1.2.3:65535", "[::1]", "[::1]:9000"],
)
def test_it_is_reached_through_any_port(server, host):
    """A browser leaves :80 out; `ssh -L 9000:127.0.0.1:8765` asks for port 9000."""
    page = f"/?token={server.token}"
    assert status(server, get(page, host)) == 200
    assert status(server, get(page, host, f"Origin: http://{host}")) == 200


@pytest.mark.parametrize(
    "host",
    [
        "rebound.example", "localhost.rebound.example", "127.0.0.1.rebound.example:80", "rebound.example:8765",
        "localhost:80@rebound.example", "user@localhost", "0.0.0.0", "10.0.0.1", "[::2]", "1270.0.0.1", "localhost:",
        "localhost:x", "localhost:999999", "", "localhost, rebound.example",
    ],
)  # fmt: skip
def test_a_name_that_is_rebound_to_this_machine_reaches_nothing(server, host):
    for path in (f"/?token={server.token}", "/page.js", "/nothing"):
        assert status(server, get(path, host)) == 403


def test_hosts_are_named_once(server):
    page = f"/?token={server.token}"
    assert status(server, get(page, "localhost", "Host: localhost")) == 403
    assert status(server, f"GET {page} HTTP/1.1\r\nConnection: close\r\n\r\n".encode()) == 403


@pytest.mark.parametrize(
    "origin", ["null", "http://rebound.example", "http://localhost:9001", "https://localhost:9000"]
)
def test_other_pages_may_not_ask(server, origin):
    assert status(server, get(f"/?token={server.token}", "localhost:9000", f"Origin: {origin}")) == 403


def test_without_the_token_nobody_sees_or_steers(server):
    right = server.token
    wrong = ["", right[:-1], f"{right}x", right.swapcase(), "%00", "é", f"{right}&token=x"[1:], " " + right]
    for token in wrong:
        assert status(server, get(f"/?token={token}", "localhost")) in (400, 403), token
        request = post(server, b"{}").replace(right.encode(), token.encode())
        assert status(server, request) == 403, token
    assert status(server, get("/", "localhost")) == 403
    assert status(server, post(server, b"{}").replace(b"Authorization: Bearer", b"Cookie: token =")) == 403
    assert status(server, post(server, b"{}")) == 200
    with Server(0) as other:
        assert other.token != right
        assert len(right) >= 20


def test_the_token_is_not_handed_on(server, capfd):
    """Neither in what is served, nor as the address that a page names to others, nor in what is printed."""
    for path in (f"/?token={server.token}", "/page.js"):
        page = answer(server, get(path, "localhost"))
        assert b"Referrer-Policy: no-referrer" in page
        assert server.token.encode() not in page
    answer(server, get(f"/?token={server.token}x", "localhost"))
    assert "".join(capfd.readouterr()) == ""


LINES = {
    "nothing but an end of line": (400, b"\r\n\r\n"),
    "one word": (400, b"GET\r\n\r\n"),
    "four words": (400, b"GET / HTTP/1.1 please\r\n\r\n"),
    "HTTP/0.9": (403, b"GET /\r\n\r\n"),
    "HTTP/0.9 with a method": (400, b"POST /begin\r\n\r\n"),
    "a handshake of TLS": (400, b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03\r\n\r\n"),
    "a version of letters": (400, b"GET / HTTP/x.y\r\n\r\n"),
    "a superscript version": (400, "GET / HTTP/1.²\r\n\r\n".encode("latin-1")),
    "HTTP/2": (505, b"PRI * HTTP/2.0\r\n\r\n"),
    "an unknown method": (501, b"BREW / HTTP/1.1\r\nHost: localhost\r\n\r\n"),
    "HEAD": (501, b"HEAD / HTTP/1.1\r\nHost: localhost\r\n\r\n"),
    "a method that names a function": (501, b"__init__ / HTTP/1.1\r\nHost: localhost\r\n\r\n"),
    "a long address": (414, b"GET /" + b"a" * 70_000 + b" HTTP/1.1\r\n\r\n"),
    "a long header": (431, b"GET / HTTP/1.1\r\nHost: " + b"a" * 70_000 + b"\r\n\r\n"),
    "many headers": (431, b"GET / HTTP/1.1\r\n" + b"A: b\r\n" * 200 + b"\r\n"),
    "an absolute address": (404, b"GET http://[ HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n"),
    "a header that never ends": (408, b"GET / HTTP/1.1\r\nHost: loc"),
}


@pytest.mark.parametrize("name", LINES)
def test_a_strange_request_is_answered(server, name):
    expected, request = LINES[name]
    assert status(server, request) == expected


@pytest.mark.parametrize(
    ("expected", "body"),
    [
        (400, b"[" * 4000),
        (400, b'{"a":' * 800),
        (400, b""),
        (400, b"\xff\xfe\x00"),
        (400, b"9" * LARGEST_REQUEST),
        (400, b'"\\ud800"'),
        (400, b'{"session": 1'),
        (413, b" " * (LARGEST_REQUEST + 1)),
        (413, b"{}" + b" " * 30_000_000),  # is answered although the client first sends all of it
    ],
)
def test_a_strange_body_is_answered(server, expected, body):
    assert status(server, post(server, body)) == expected


@pytest.mark.parametrize(
    ("expected", "length"),
    [(400, "-1"), (400, "+2"), (400, "2, 2"), (400, "0x2"), (400, "²"), (413, "9" * 5000), (400, ""), (408, 3)],
)
def test_a_wrong_length_is_answered(server, expected, length):
    assert status(server, post(server, b"{}", length=length)) == expected


def test_two_lengths_and_chunks_are_refused(server):
    assert status(server, post(server, b"{}", JSON + b"Content-Length: 2\r\n")) == 400
    assert status(server, post(server, b"2\r\n{}\r\n0\r\n\r\n", JSON + b"Transfer-Encoding: chunked\r\n")) == 411
    assert status(server, post(server, b"{}").replace(b"Content-Length: 2\r\n", b"")) == 411


def test_a_client_that_sends_no_more_is_answered(server):
    assert status(server, post(server, b"{}"), half_close=True) == 200
    assert status(server, post(server, b"{}", length=9), half_close=True) == 400
    assert status(server, b"GET / HTTP/1.1\r\nHost: localhost", half_close=True) == 403


def test_a_defect_of_the_model_is_answered_and_reported(server, capfd):
    reply = answer(server, post(server, json.dumps({"session": 1, "keys": []}).encode(), path=b"/step"))
    assert reply.startswith(b"HTTP/1.1 500 ")
    assert reply.endswith(b"ZeroDivisionError: a defect of the model\n")
    assert "ZeroDivisionError" in capfd.readouterr().err
    assert status(server, post(server, b"{}")) == 200


def test_who_asks_while_it_ends_is_answered():
    with Doors(0) as server:
        threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02}).start()
        with socket.create_connection(("127.0.0.1", server.server_port), timeout=20) as connection:
            connection.sendall(get("/page.js", "localhost").replace(b"Connection: close\r\n", b""))
            assert connection.recv(12) == b"HTTP/1.1 200"
            server.shutdown()
            server.server_close()
            connection.sendall(post(server, b"{}"))
            assert b"HTTP/1.1 503 " in b"".join(iter(lambda: connection.recv(2**16), b""))


def test_mutilated_requests_are_answered(server, capfd):
    """Requests with bytes changed, cut out, doubled: a status each, and no thread dies of one."""
    rng = random.Random(0)
    whole = [post(server, b'{"session": 1, "keys": []}', path=b"/begin"), get(f"/?token={server.token}", "localhost")]
    for number in range(300):
        request = bytearray(whole[number % 2])
        for _ in range(rng.randint(1, 6)):
            at = rng.randrange(len(request))
            piece = request[at : at + rng.randint(1, 20)]
            new = rng.choice([b"", bytes([rng.randrange(256)]), bytes(piece) * 2, b"\r\n", b"\r\n\r\n", b"\0", b":"])
            request[at : at + len(piece)] = new
        assert status(server, bytes(request), half_close=True), bytes(request)
    assert "Traceback" not in capfd.readouterr().err


@pytest.mark.parametrize("port", ["taken", "70000", "-1", "http"])
def test_a_port_that_cannot_be_had_is_named_with_the_way_out(port, capsys):
    with socket.create_server(("127.0.0.1", 0)) as held:
        wanted = str(held.getsockname()[1]) if port == "taken" else port
        with pytest.raises(SystemExit) as stopped:
            main(["play", "--port", wanted])
    assert stopped.value.code == 2
    said = capsys.readouterr().err
    assert wanted in said
    assert "--port" in said
    if port == "taken":
        assert "in use" in said
        assert "--port 0" in said


# A port that is published without an address, and a server that listens on all of them, are open to the network.
OPEN = re.compile(
    r"--bind_all|(?<![\d.])0\.0\.0\.0|--(?:ip|host)[= ]\*|-p \d+:\d+|--publish[= ]\d+(?![\d.])|ssh .*(?:-g\b|-L ?\*:)"
)
SUFFIXES = {".md", ".sh", ".py", ".smk", ".yaml", ".yml", ".toml", ".cfg", ""}


def opened(text: str) -> list[str]:
    """What opens a port to the network; a server in a container may, where the port is published on 127.0.0.1."""
    lines = [line.replace("--bind_all", "") if "-p 127.0.0.1:" in line else line for line in text.splitlines()]
    return [found[0] for line in lines for found in OPEN.finditer(line)]


@pytest.mark.parametrize(
    "line",
    [
        "-p 6006:6006 --bind_all", "docker run -p 8765:8765 image", "podman run --publish=6006:6006",
        "jupyter lab --ip=*", "serve --host 0.0.0.0", "ssh -g -L 6006:127.0.0.1:6006 a",
        "ssh -L *:6006:127.0.0.1:6006 a",
    ],
)  # fmt: skip
def test_the_search_finds_open_ports(line):
    assert opened(f"    run {line}")


def test_no_document_opens_a_port_to_the_network():
    assert not opened("-p 127.0.0.1:6006:6006 image --bind_all, `ssh -N -L 6006:127.0.0.1:6006 you@there`; mkdir -p 3")
    folders = ("docs", "container", "config", "profiles", "envs", "examples", "benchmarks", "rules", "src", "workflow")
    paths = [*ROOT.iterdir(), *(path for folder in folders for path in (ROOT / folder).rglob("*"))]
    texts = [path for path in paths if path.is_file() and path.suffix in SUFFIXES]
    found = {str(path): opened(path.read_text(errors="replace")) for path in texts}
    assert len(found) > 100
    assert {path: lines for path, lines in found.items() if lines} == {}
