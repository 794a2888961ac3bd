"""The page of `sensorium play` and the frames it requests, over HTTP on this machine alone.

The page requests one frame at a time and sends the keys that are down. So no frame is dreamed before its action is
known, and neither a slow page nor a slow model makes a queue. One thread dreams for all pages.

    GET  /?token=T                the page; /page.js and /page.css hold no secret
    POST /begin  {"again": true}                   a new dream, again from the same moment;
                 {"again": false} or {}            of the next recording             -> its true frames
    POST /step   {"session": S, "keys": [...]}     the next frame, steered by keys,
                 {"session": S, "keys": "recorded"}  or by the recorded action       -> frame, the true one beside it

A page that begins ends the dream of the page before. What an answer holds: `game.pack`.

Who may ask: whoever knows the token of the address, since other users of this machine reach its ports too. The page
sends it with each request (Authorization: Bearer T), which no page of another site can do. Host must name the loopback,
which DNS rebinding cannot forge; its port is free, because `ssh -L` changes it.
"""

from __future__ import annotations

import hmac
import json
import re
import secrets
import socket
import sys
import time
import traceback
from collections.abc import Callable
from concurrent.futures import CancelledError, ThreadPoolExecutor
from contextlib import suppress
from http import HTTPStatus
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from importlib.resources import files
from typing import Any
from urllib.parse import parse_qs

from sensorium.interactive.game import Game, Refused

LARGEST_REQUEST = 4096  # bytes
PATIENCE = 30.0  # seconds for the next bytes of a request
LINGER = 2.0  # seconds for a client to read its answer before the connection is closed
LOOPBACK = re.compile(r"(localhost|127(\.[0-9]{1,3}){3}|\[::1\])(:[0-9]{1,5})?", re.IGNORECASE)
PAGE = {"/": "page.html", "/page.js": "page.js", "/page.css": "page.css"}
TYPES = {"html": "text/html; charset=utf-8", "js": "text/javascript; charset=utf-8", "css": "text/css; charset=utf-8"}
HEADERS = {
    "Content-Security-Policy": "default-src 'none'; script-src 'self'; style-src 'self'; connect-src 'self'; "
    "img-src data:; frame-ancestors 'none'; base-uri 'none'; form-action 'none'",
    "X-Content-Type-Options": "nosniff",
    "Cross-Origin-Resource-Policy": "same-origin",
    "Referrer-Policy": "no-referrer",
    "Cache-Control": "no-store",
}


class Server(ThreadingHTTPServer):
    """Listens on 127.0.0.1 as soon as it is made; serves a game once `game` is set.

    Args:
        port: 0 for a free one.

    Attributes:
        token: what a request must know, new for each server.

    Raises:
        OSError: if the port is not available.
    """

    daemon_threads = True  # an open page does not keep the server from ending

    def __init__(self, port: int) -> None:
        self.dreaming, self._ending = ThreadPoolExecutor(1, "dream"), False
        self.game: Game | None = None
        self.token = secrets.token_urlsafe(16)
        self.page = {path: files("sensorium.interactive").joinpath(name).read_bytes() for path, name in PAGE.items()}
        super().__init__(("127.0.0.1", port), Handler)

    @property
    def address(self) -> str:
        """The URL of the page, with its token."""
        return f"http://127.0.0.1:{self.server_port}/?token={self.token}"

    def dream(self, work: Callable[..., bytes], *args: object) -> bytes:
        """The frame that some work makes, one work after the other.

        Raises:
            Refused: if the server ends before.
        """
        try:
            return self.dreaming.submit(work, *args).result()
        except (CancelledError, RuntimeError):
            if not self._ending:
                raise
            raise Refused(HTTPStatus.SERVICE_UNAVAILABLE, "the server is ending") from None

    def handle_error(self, request: object, client_address: object) -> None:
        """Ignore pages that were closed or stood still while they waited; report other errors."""
        if not isinstance(sys.exception(), ConnectionError | TimeoutError):
            super().handle_error(request, client_address)  # type: ignore[arg-type]

    def shutdown_request(self, request: Any) -> None:
        """Close a connection once its client has read the answer: unread bytes of a request would reset it before."""
        end = time.monotonic() + LINGER
        with suppress(OSError):
            request.shutdown(socket.SHUT_WR)
            request.settimeout(LINGER)
            while request.recv(2**16) and time.monotonic() < end:
                pass
        self.close_request(request)

    def server_close(self) -> None:
        """Stop listening and wait for the frame that is being dreamed."""
        self._ending = True
        super().server_close()
        self.dreaming.shutdown(cancel_futures=True)


class Handler(BaseHTTPRequestHandler):
    """One connection. Whatever comes is answered by a status; what is refused says why, in plain text."""

    server: Server
    raw_requestline: bytes
    protocol_version = "HTTP/1.1"  # a connection serves frame after frame
    default_request_version = "HTTP/1.0"  # of a request that names none: HTTP/0.9 has no status
    disable_nagle_algorithm = True
    server_version, sys_version = "sensorium", ""
    timeout = PATIENCE

    def parse_request(self) -> bool:
        """Read the headers; as the base class, but an empty request or a slow one is answered too."""
        try:
            if self.raw_requestline.strip():
                return super().parse_request()
            self.requestline, self.request_version, self.command = "", self.default_request_version, ""
            self.send_error(HTTPStatus.BAD_REQUEST)
        except TimeoutError:
            self.send_error(HTTPStatus.REQUEST_TIMEOUT)
        return False

    def do_GET(self) -> None:
        """The page."""
        self._answer(self._page)

    def do_POST(self) -> None:
        """A frame."""
        self._answer(self._frame)

    def _page(self) -> tuple[str, bytes]:
        path, _, query = self.path.partition("?")
        if path not in self.server.page:
            raise Refused(HTTPStatus.NOT_FOUND, "there is only one page, /")
        if path == "/":
            self._check_token(parse_qs(query).get("token", [""])[0])
        return TYPES[PAGE[path].rsplit(".", 1)[1]], self.server.page[path]

    def _frame(self) -> tuple[str, bytes]:
        self._check_token(self.headers.get("Authorization", "").removeprefix("Bearer "))
        request, game = self._request(), self.server.game
        if game is None:
            raise Refused(HTTPStatus.SERVICE_UNAVAILABLE, "the model is not loaded yet")
        if self.path == "/begin":
            frame = self.server.dream(game.begin, request.get("again", False), request.get("sharpness"))
        elif self.path == "/step":
            frame = self.server.dream(game.step, request.get("session"), request.get("keys"))
        else:
            raise Refused(HTTPStatus.NOT_FOUND, "there are only /begin and /step")
        return "application/octet-stream", frame

    def _request(self) -> dict[str, Any]:
        lengths = self.headers.get_all("Content-Length", [])
        if not lengths or "Transfer-Encoding" in self.headers:
            raise Refused(HTTPStatus.LENGTH_REQUIRED, "Content-Length is needed, and the body as it is")
        if len(lengths) > 1 or not re.fullmatch("[0-9]+", lengths[0]):
            raise Refused(HTTPStatus.BAD_REQUEST, "Content-Length: one whole number is needed")
        if len(lengths[0]) > len(str(LARGEST_REQUEST)) or int(lengths[0]) > LARGEST_REQUEST:
            raise Refused(HTTPStatus.REQUEST_ENTITY_TOO_LARGE, f"a request has {LARGEST_REQUEST} bytes at most")
        if self.headers.get_content_type() != "application/json":  # other sites' pages cannot send this type
            raise Refused(HTTPStatus.UNSUPPORTED_MEDIA_TYPE, "application/json is needed")
        try:
            body = self.rfile.read(int(lengths[0]))
            request = json.loads(body)
        except TimeoutError:
            raise Refused(HTTPStatus.REQUEST_TIMEOUT, "the body did not come") from None
        except (ValueError, RecursionError):  # the latter: deeply nested
            request = None
        if not isinstance(request, dict) or len(body) < int(lengths[0]):
            raise Refused(HTTPStatus.BAD_REQUEST, "a JSON object as long as Content-Length is needed")
        return request

    def _answer(self, make: Callable[[], tuple[str, bytes]]) -> None:
        try:
            self._check_sender()
            kind, body = make()
        except Refused as refusal:
            self._refuse(refusal.status, str(refusal), close=refusal.status != HTTPStatus.CONFLICT)
        except Exception as error:  # a defect, for the terminal; the page gets its name
            traceback.print_exc()
            self._refuse(HTTPStatus.INTERNAL_SERVER_ERROR, f"{type(error).__name__}: {error}", close=True)
        else:
            self._send(HTTPStatus.OK, kind, body)

    def send_error(self, code: int, message: str | None = None, explain: str | None = None) -> None:
        """Refuse what the base class finds wrong: syntax, version, method, length of a line, number of headers."""
        self._refuse(HTTPStatus(code), message or HTTPStatus(code).phrase, close=True)

    def _refuse(self, status: HTTPStatus, reason: str, close: bool) -> None:
        if close:  # the rest of the request is not read
            self.close_connection = True
        self._send(status, "text/plain; charset=utf-8", f"{reason}\n".encode(errors="replace"))

    def _send(self, status: HTTPStatus, kind: str, body: bytes) -> None:
        self.send_response(status)
        for name, value in {**HEADERS, "Content-Type": kind, "Content-Length": str(len(body))}.items():
            self.send_header(name, value)
        if self.close_connection:
            self.send_header("Connection", "close")
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(body)

    def _check_sender(self) -> None:
        """Refuse other host names that lead to this machine, and pages of other sites."""
        hosts = self.headers.get_all("Host", [])
        if len(hosts) != 1 or not LOOPBACK.fullmatch(hosts[0]):
            raise Refused(HTTPStatus.FORBIDDEN, "open the page as 127.0.0.1 or localhost")
        if self.headers.get("Origin") not in (None, f"http://{hosts[0]}"):
            raise Refused(HTTPStatus.FORBIDDEN, "only its own page may ask")

    def _check_token(self, token: str) -> None:
        if not hmac.compare_digest(token.encode(), self.server.token.encode()):
            raise Refused(HTTPStatus.FORBIDDEN, "open the address that `sensorium play` printed, with its token")

    def log_message(self, format: str, *args: object) -> None:
        """Log nothing: there would be sixteen lines a second, and the token in one of them."""
