"""Drive a dream with the keys, on a page in a browser on this machine."""

from __future__ import annotations

import argparse
import signal
import sys
import threading

import numpy as np

from sensorium.interactive.environment import typical_round_trip_error
from sensorium.interactive.game import Game
from sensorium.interactive.parts import DreamParts, add_arguments, settings
from sensorium.interactive.server import Server
from sensorium.progress import say

PORT = 8765


def main(argv: list[str]) -> None:
    """Run `sensorium play` until a signal stops it."""
    parser = argparse.ArgumentParser(prog="sensorium play", description=__doc__)
    parser.add_argument("--port", type=_port, default=PORT, metavar="N", help="0: any that is free (%(default)s)")
    parser.add_argument("--recording", metavar="NAME", help="what to begin with; default: the first one for tests")
    add_arguments(parser)
    args = parser.parse_args(argv)
    stop = threading.Event()
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, lambda *_: stop.set())
    try:
        listening = Server(args.port)
    except OSError as error:
        reason = f"{error.strerror}; give another one, or --port 0 for any that is free"
        parser.error(f"--port {args.port}: {reason}")
    with listening as server:
        say("loading recordings and models")
        parts = DreamParts.open(args)
        parts.begin(args.recording or parts.names()[0], args.context)  # reports a wrong name here, not on the page
        server.game = Game(parts, typical_round_trip_error(parts, args.seed), first=args.recording, **settings(args))
        serving = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.1}, daemon=True)
        serving.start()
        # not to sys.stdout, of which --log makes a copy that others may read: the address holds the token
        print(f"Play at {server.address} (Ctrl-C ends it)", file=sys.__stdout__, flush=True)
        stop.wait()
        server.shutdown()
    if server.game.seconds:
        median, slow = 1000 * np.quantile(server.game.seconds, [0.5, 0.99])
        say(f"{len(server.game.seconds)} frames dreamed, p50 {median:.1f} ms, p99 {slow:.1f} ms")


def _port(text: str) -> int:
    value = int(text)
    if not 0 <= value < 2**16:
        raise argparse.ArgumentTypeError(f"{value} is not in 0..65535")
    return value
