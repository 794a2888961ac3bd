"""The page of `sensorium play` and the frames it asks for, over HTTP on this machine alone.

The page asks for one frame at a time, with the keys that are down: so a frame is dreamed no earlier than it is steered,
and a slow page or a slow model never makes a queue. One thread dreams, whoever asks.

    GET  /, /page.js, /page.css   the page
    POST /begin  {}               a new dream, of the next recording -> frame
    POST /step   {"session": S, "keys": [...]}                       -> frame

A frame is the length of its header (uint32, little endian), the header (JSON), RGB bytes of the picture, then samples
(int16, little endian) if there is sound. Who begins takes the dream over from the page that had it.
"""

from __future__ import annotations

import json
import sys
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from http import HTTPStatus
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from importlib.resources import files
from typing import Any

import numpy as np

from sensorium.interactive.actions import keys_of, pressed
from sensorium.interactive.session import Session
from sensorium.interactive.world import World

LARGEST_REQUEST = 4096  # bytes
MOST_KEYS = 32
PAGE = {"/": "page.html", "/page.js": "page.js", "/page.css": "page.css"}
TYPES = {"html": "text/html; charset=utf-8", "js": "text/javascript; charset=utf-8", "css": "text/css; charset=utf-8"}
HEADERS = {
    "Content-Security-Policy": "default-src 'none'; script-src 'self'; style-src 'self'; connect-src 'self'; "
    "img-src data:; frame-ancestors 'none'; base-uri 'none'; form-action 'none'",
    "X-Content-Type-Options": "nosniff",
    "Cross-Origin-Resource-Policy": "same-origin",
    "Cache-Control": "no-store",
}


class Refused(Exception):
    """A request that is not served, with its status and the reason."""

    def __init__(self, status: HTTPStatus, reason: str) -> None:
        super().__init__(reason)
        self.status = status


class Game:
    """The one dream that is played, and how long its frames took.

    Args:
        world: recordings and models.
        usual: doubt of true frames, above zero (`usual_doubt`).
        context, denoising_steps, stillness, seed: as for `Session`.
        first: recording to begin with; None: the first one for tests.
    """

    def __init__(
        self,
        world: World,
        usual: float,
        *,
        context: int,
        denoising_steps: int,
        seed: int,
        stillness: float = 0.0,
        first: str | None = None,
    ) -> None:
        self.keys = keys_of(world.action)
        self._world, self._usual = world, usual
        self._settings: dict[str, Any] = {
            "context": context, "denoising_steps": denoising_steps, "stillness": stillness, "seed": seed
        }  # fmt: skip
        self._names = [name for name in world.names() if world.latents.frames(name) >= context]
        if first is not None:  # named by hand, it may be of any split
            self._names = [first, *(name for name in self._names if name != first)]
        self._session: Session | None = None
        self._begun = 0
        self.seconds: list[float] = []

    def begin(self) -> bytes:
        """A new dream, of the next recording; what it begins with, as a frame."""
        name = self._names[self._begun % len(self._names)]
        self._begun += 1
        self._session = Session(self._world, name, **self._settings)
        picture = self._session.beginning.pictures[-1]
        frames, samples = self._world.rates
        header = {
            "session": self._begun, "recording": name, **self._settings, "keys": self.keys,
            "height": picture.shape[0], "width": picture.shape[1], "frames_per_second": frames, "sample_rate": samples,
        }  # fmt: skip
        return pack(header, picture)

    def step(self, session: object, keys: object) -> bytes:
        """The next frame of the dream, steered by the keys that are down.

        Raises:
            Refused: if another page has begun a dream since, or the keys are no list of names.
        """
        if not isinstance(keys, list) or len(keys) > MOST_KEYS or not all(isinstance(key, str) for key in keys):
            raise Refused(HTTPStatus.BAD_REQUEST, f"keys: a list of at most {MOST_KEYS} names is needed")
        if self._session is None or session != self._begun:
            raise Refused(HTTPStatus.CONFLICT, "another page has begun a dream; begin again to take it over")
        action = pressed(self._world.action, keys)
        began = time.perf_counter()
        moment = self._session.step(action)
        self.seconds.append(time.perf_counter() - began)
        header = {
            "action": None if action is None else action.tolist(),
            "doubt": moment.doubt / self._usual,
            "seconds": self.seconds[-1],
        }
        return pack(header, moment.picture, moment.sound)


def pack(header: dict[str, Any], picture: np.ndarray, sound: np.ndarray | None = None) -> bytes:
    """A frame as the page reads it; picture uint8 [H, W, 3], sound int16 [S]."""
    text = json.dumps(header, allow_nan=False).encode()
    return len(text).to_bytes(4, "little") + text + picture.tobytes() + (b"" if sound is None else sound.tobytes())


class Server(ThreadingHTTPServer):
    """Listens on 127.0.0.1 from its making on; serves a game once there is one.

    Args:
        port: 0 for a free one.

    Raises:
        OSError: if the port cannot be had.
    """

    daemon_threads = True  # a page that stays open does not keep the server from ending

    def __init__(self, port: int) -> None:
        self.dreaming = ThreadPoolExecutor(1, "dream")
        self.game: Game | None = None
        self.page = {path: files("sensorium.interactive").joinpath(name).read_bytes() for path, name in PAGE.items()}
        super().__init__(("127.0.0.1", port), Handler)

    @property
    def address(self) -> str:
        """Where a browser finds it."""
        return f"http://127.0.0.1:{self.server_port}"

    def handle_error(self, request: object, client_address: object) -> None:
        """A page that was closed while it waited is no error."""
        if not isinstance(sys.exception(), ConnectionError):
            super().handle_error(request, client_address)  # type: ignore[arg-type]

    def server_close(self) -> None:
        """Stop listening, and wait for the frame that is being dreamed."""
        super().server_close()
        self.dreaming.shutdown(cancel_futures=True)


class Handler(BaseHTTPRequestHandler):
    """One connection."""

    server: Server
    protocol_version = "HTTP/1.1"  # a connection serves frame after frame
    disable_nagle_algorithm = True
    server_version, sys_version = "sensorium", ""

    def do_GET(self) -> None:
        """The page."""
        self._answer(self._page)

    def do_POST(self) -> None:
        """A frame."""
        self._answer(self._frame)

    def _page(self) -> tuple[str, bytes]:
        if self.path not in self.server.page:
            raise Refused(HTTPStatus.NOT_FOUND, "there is only one page, /")
        return TYPES[PAGE[self.path].rsplit(".", 1)[1]], self.server.page[self.path]

    def _frame(self) -> tuple[str, bytes]:
        request, game = self._request(), self.server.game
        if game is None:
            raise Refused(HTTPStatus.SERVICE_UNAVAILABLE, "the model is not loaded yet")
        if self.path == "/begin":
            frame = self.server.dreaming.submit(game.begin)
        elif self.path == "/step":
            frame = self.server.dreaming.submit(game.step, request.get("session"), request.get("keys"))
        else:
            raise Refused(HTTPStatus.NOT_FOUND, "there are only /begin and /step")
        return "application/octet-stream", frame.result()

    def _request(self) -> dict[str, Any]:
        length = self.headers.get("Content-Length", "")
        if not length.isdecimal() or int(length) > LARGEST_REQUEST:
            self.close_connection = True  # what follows is not read
            raise Refused(HTTPStatus.REQUEST_ENTITY_TOO_LARGE, f"a request has a length, {LARGEST_REQUEST} at most")
        body = self.rfile.read(int(length))
        if self.headers.get_content_type() != "application/json":  # no other site's page may send this unasked
            raise Refused(HTTPStatus.UNSUPPORTED_MEDIA_TYPE, "application/json is needed")
        try:
            request = json.loads(body)
        except ValueError:
            request = None
        if not isinstance(request, dict):
            raise Refused(HTTPStatus.BAD_REQUEST, "a JSON object is needed")
        return request

    def _answer(self, make: Callable[[], tuple[str, bytes]]) -> None:
        status = HTTPStatus.OK
        try:
            self._check_origin()
            kind, body = make()
        except Refused as refusal:
            status, kind, body = refusal.status, "text/plain; charset=utf-8", f"{refusal}\n".encode()
            if self.command == "POST" and status != HTTPStatus.CONFLICT:
                self.close_connection = True
        self.send_response(status)
        for name, value in {**HEADERS, "Content-Type": kind, "Content-Length": str(len(body))}.items():
            self.send_header(name, value)
        if self.close_connection:
            self.send_header("Connection", "close")
        self.end_headers()
        self.wfile.write(body)

    def _check_origin(self) -> None:
        """A name that somebody points at this machine, or another site's page, gets nothing."""
        hosts = [f"{name}:{self.server.server_port}" for name in ("127.0.0.1", "localhost")]
        if self.headers.get("Host") not in hosts:
            raise Refused(HTTPStatus.FORBIDDEN, f"open {self.server.address}")
        if self.headers.get("Origin") not in (None, *(f"http://{host}" for host in hosts)):
            raise Refused(HTTPStatus.FORBIDDEN, "only its own page may ask")

    def log_message(self, format: str, *args: object) -> None:
        """Nothing: sixteen lines a second would say nothing."""
