"""The page of `sensorium play` and the frames it requests, over HTTP on this machine alone.

The page requests one frame at a time and sends the keys that are down. So no frame is dreamed before its action is
known, and neither a slow page nor a slow model makes a queue. One thread dreams for all pages.

    GET  /, /page.js, /page.css   the page
    POST /begin  {}               a new dream, of the next recording -> frame
    POST /step   {"session": S, "keys": [...]}                       -> frame

A frame is the length of its header (uint32, little endian), the header (JSON), RGB bytes of the picture, then samples
(int16, little endian) if there is sound. A page that begins ends the dream of the page before.
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
from sensorium.interactive.environment import dream_environment
from sensorium.interactive.parts import DreamParts

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
    """A request that is not served: its status and the reason."""

    def __init__(self, status: HTTPStatus, reason: str) -> None:
        super().__init__(reason)
        self.status = status


class Game:
    """The one dream that is played, and the seconds that its frames took.

    Args:
        parts: recordings and models.
        typical_error: round-trip error of true frames, above zero (`typical_round_trip_error`).
        context, denoising_steps, stillness, seed: as for `dream_environment`.
        first: recording to begin with, of any split; None: the first one for tests.
    """

    def __init__(
        self,
        parts: DreamParts,
        typical_error: float,
        *,
        context: int,
        denoising_steps: int,
        seed: int,
        stillness: float = 0.0,
        first: str | None = None,
    ) -> None:
        self.keys = keys_of(parts.action)
        self._parts, self._typical_error = parts, typical_error
        self._settings = dict(context=context, denoising_steps=denoising_steps, stillness=stillness, seed=seed)
        names = [name for name in parts.names() if parts.latents.frames(name) >= context]
        if first is not None:
            names = [first, *(name for name in names if name != first)]
        self._environment = dream_environment(
            parts, names, context=context, denoising_steps=denoising_steps, stillness=stillness, seed=seed
        )
        self._begun = 0
        self.seconds: list[float] = []

    def begin(self) -> bytes:
        """A new dream, of the next recording; its last true frame."""
        picture = self._environment.reset(self._begun).frame
        self._begun += 1
        frames, samples = self._parts.rates
        header = {
            "session": self._begun,
            "recording": self._environment.beginning.name,
            **self._settings,
            "keys": self.keys,
            "height": picture.shape[0],
            "width": picture.shape[1],
            "frames_per_second": frames,
            "sample_rate": samples,
        }
        return pack(header, picture)

    def step(self, session: object, keys: object) -> bytes:
        """The next frame of the dream, steered by the keys that are down.

        Raises:
            Refused: if another page has begun a dream since, or the keys are no list of names.
        """
        if not isinstance(keys, list) or len(keys) > MOST_KEYS or not all(isinstance(key, str) for key in keys):
            raise Refused(HTTPStatus.BAD_REQUEST, f"keys: a list of at most {MOST_KEYS} names is needed")
        if not self._begun or session != self._begun:
            raise Refused(HTTPStatus.CONFLICT, "another page has begun a dream; begin again to take it over")
        action = pressed(self._parts.action, keys)
        began = time.perf_counter()
        observation = self._environment.step(action)
        self.seconds.append(time.perf_counter() - began)
        header = {
            "action": None if action is None else action.tolist(),
            "doubt": observation.round_trip_error / self._typical_error,
            "seconds": self.seconds[-1],
        }
        return pack(header, observation.frame, observation.sound)


def pack(header: dict[str, Any], picture: np.ndarray, sound: np.ndarray | None = None) -> bytes:
    """A frame as the page reads it; picture uint8 [H, W, 3], sound int16 [S] or none."""
    text = json.dumps(header, allow_nan=False).encode()
    return len(text).to_bytes(4, "little") + text + picture.tobytes() + (b"" if sound is None else sound.tobytes())


class Server(ThreadingHTTPServer):
    """Listens on 127.0.0.1 as soon as it is made; serves a game once `game` is set.

    Args:
        port: 0 for a free one.

    Raises:
        OSError: if the port is not available.
    """

    daemon_threads = True  # an open page does not keep the server from ending

    def __init__(self, port: int) -> None:
        self.dreaming = ThreadPoolExecutor(1, "dream")
        self.game: Game | None = None
        self.page = {path: files("sensorium.interactive").joinpath(name).read_bytes() for path, name in PAGE.items()}
        super().__init__(("127.0.0.1", port), Handler)

    @property
    def address(self) -> str:
        """The URL of the page."""
        return f"http://127.0.0.1:{self.server_port}"

    def handle_error(self, request: object, client_address: object) -> None:
        """Ignore pages that were closed while they waited; report other errors."""
        if not isinstance(sys.exception(), ConnectionError):
            super().handle_error(request, client_address)  # type: ignore[arg-type]

    def server_close(self) -> None:
        """Stop listening and wait for the frame that is being dreamed."""
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
            self.close_connection = True  # the body is not read
            raise Refused(HTTPStatus.REQUEST_ENTITY_TOO_LARGE, f"a request has a length, {LARGEST_REQUEST} at most")
        body = self.rfile.read(int(length))
        if self.headers.get_content_type() != "application/json":  # other sites' pages cannot send this type
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
        """Refuse other host names that point at this machine, and pages of other sites."""
        hosts = [f"{name}:{self.server.server_port}" for name in ("127.0.0.1", "localhost")]
        if self.headers.get("Host") not in hosts:
            raise Refused(HTTPStatus.FORBIDDEN, f"open {self.server.address}")
        if self.headers.get("Origin") not in (None, *(f"http://{host}" for host in hosts)):
            raise Refused(HTTPStatus.FORBIDDEN, "only its own page may ask")

    def log_message(self, format: str, *args: object) -> None:
        """Log nothing: there would be sixteen lines a second."""
