"""Reading films and sounds with PyAV: a whole file becomes pieces of one clock, each as long as a recording.

The clock begins with the first picture, or with the first sample where only sound is wanted. Only the end of the
decoded streams is their end; what headers say about lengths is compared with it. All packets of a file are read, also
where only its beginning is used, because a damaged end is a fault to report.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path
from typing import Any, BinaryIO

import av
import numpy as np

from sensorium.data.cuts import Cuts, Piece
from sensorium.data.files import blamed_on, open_regular
from sensorium.data.headers import lacks_its_end, missing_bytes
from sensorium.data.picture_track import PictureTrack
from sensorium.data.quarantine import BadRecordingError, ReadAgain
from sensorium.data.signals import Signals
from sensorium.data.sound_levels import SoundLevels
from sensorium.data.soundtrack import Soundtrack

END_TOLERANCE = 0.25  # seconds; containers round or pad the length in their header
# Containers that hold their streams themselves. FFmpeg knows others, which make it open what they name.
CONTAINERS = (
    "aac,ac3,aiff,amr,ape,asf,au,avi,caf,dts,dv,eac3,flac,flv,h264,hevc,ivf,m4v,matroska,mov,mp3,mpeg,mpegts,"
    "mpegvideo,mxf,nut,ogg,rm,w64,wav,webm,wv"
)
# Containers without a length, which FFmpeg guesses from the first bit rates.
GUESSED = frozenset("aac ac3 amr dts eac3 h264 hevc m4v mpeg mpegvideo".split())
LENGTH_TAGS = (b"Xing", b"Info", b"VBRI")  # in the first frame of an MP3 file that says its length
HEAD = 2**17  # bytes of a file in which these stand
MOST_PIXELS = 2**26  # of a frame: twice as many as 8K has
LIMITS = {"format_whitelist": CONTAINERS, "max_pixels": str(MOST_PIXELS)}
STRICT = {"err_detect": "crccheck+explode", "max_pixels": str(MOST_PIXELS)}  # by default decoders conceal damage


@dataclass(frozen=True)
class Wanted:
    """What is read from a file.

    Attributes:
        streams: "video", "audio" or both.
        frame_rate: frames a second; each frame is the file's latest picture at that time.
        sample_rate: samples a second of the sound, in mono.
        size: side of a frame in pixels.
        fit: how a picture becomes square: "crop", "pad" or "stretch".
    """

    streams: tuple[str, ...]
    frame_rate: int
    sample_rate: int
    size: int
    fit: str = "crop"


class FilmReader:
    """One pass over an open file.

    Args:
        container: the file.
        wanted: what is read.
        cuts: into which pieces.
        signals: what lies beside it; None: nothing.
        again: the settings of a second reading, if this is one.
        alive: called with every packet.

    Attributes:
        found: (reason, detail) of all that was noticed so far.
        frames: of the whole file, known at the end.
    """

    def __init__(
        self,
        container: av.container.InputContainer,
        wanted: Wanted,
        cuts: Cuts,
        signals: Signals | None = None,
        again: ReadAgain | None = None,
        alive: Callable[[], None] = lambda: None,
    ) -> None:
        self._container, self._wanted, self._cuts, self._signals = container, wanted, cuts, signals
        self._alive = alive
        self._samples = wanted.sample_rate // wanted.frame_rate
        self.found: list[tuple[str, str]] = [(again.reason, "")] if again else []
        self.frames = 0
        self._streams = {kind: self._stream(kind) for kind in wanted.streams}
        most = cuts.end
        self._pictures = PictureTrack(wanted.frame_rate, wanted.size, wanted.fit, most)
        self._sound = Soundtrack(wanted.sample_rate, None if most is None else most * self._samples, again)
        self._levels = SoundLevels()
        self._ends: dict[int, Fraction] = {}  # stream -> where its packets end
        self._decoded: dict[str, Fraction] = {}  # kind -> where its frames end

    def _stream(self, kind: str) -> Any:
        found = next((stream for stream in self._container.streams if stream.type == kind), None)
        if found is None:
            raise BadRecordingError(f"no {kind} stream", "no_stream")
        if found.codec_context is None:
            raise BadRecordingError(f"no decoder for its {kind}", "no_decoder")
        found.codec_context.options = STRICT
        return found

    def pieces(self, length_is_known: bool = True) -> Iterator[Piece]:
        """The pieces, in order.

        Args:
            length_is_known: whether the file states its length; otherwise FFmpeg guesses it.

        Raises:
            BadRecordingError: if the file is damaged or cut off, or its time stamps jump.
            ReadAgain: if the sound must be read with other settings.
        """
        for packet in self._container.demux():
            self._alive()
            self._note(packet)
            if packet.stream not in self._streams.values():
                continue
            if packet.is_corrupt and self._container.format.name != "wav":  # whose length was checked by its header
                raise BadRecordingError("truncated or damaged: a packet is not whole", "damaged")
            for frame in packet.decode():
                if isinstance(frame, av.VideoFrame):
                    self._show(frame, packet.stream)
                elif isinstance(frame, av.AudioFrame):
                    self._hear(frame)
            yield from self._cut(self._ready())
        self._finish(length_is_known)
        self.frames = self._ready()
        yield from self._cut(self.frames, last=True)

    def _note(self, packet: av.Packet) -> None:
        if packet.pts is not None and packet.time_base is not None:
            end = (packet.pts + (packet.duration or 0)) * packet.time_base
            self._ends[packet.stream.index] = max(end, self._ends.get(packet.stream.index, end))

    def _show(self, frame: av.VideoFrame, stream: Any) -> None:
        rate = stream.average_rate or self._wanted.frame_rate
        aspect = stream.sample_aspect_ratio or Fraction(1)
        start, end = self._pictures.add(frame, 1 / Fraction(rate), aspect)
        if "video" not in self._decoded:
            self._begin(start)
        self._decoded["video"] = max(end, self._decoded.get("video", end))

    def _hear(self, frame: av.AudioFrame) -> None:
        if "video" not in self._streams and "audio" not in self._decoded:
            first = frame.pts if frame.pts is not None else 0
            self._begin(first * (frame.time_base or Fraction(1)))
        end = self._sound.add(frame)
        self._decoded["audio"] = max(end, self._decoded.get("audio", end))

    def _begin(self, start: Fraction) -> None:
        """Start the clock."""
        if "audio" in self._decoded:
            first = self._container.start_time or 0
            late = float(start) - first / av.time_base
            if late > END_TOLERANCE:
                self.found.append(("late_picture", f"the picture begins {late:.2f} s after the sound"))
        self._sound.start(start)

    def _ready(self) -> int:
        """Frames that will not change any more."""
        made = {"video": self._pictures.made, "audio": self._sound.made // self._samples}
        return min(made[kind] for kind in self._streams)

    def _cut(self, ready: int, last: bool = False) -> Iterator[Piece]:
        for piece in self._cuts.due(ready, last):
            skipped = piece.first - self._cuts.taken
            fields: dict[str, np.ndarray] = {}
            if "video" in self._streams:
                self._pictures.take(skipped)
                fields["video"] = self._pictures.take(piece.frames)
            if "audio" in self._streams:
                self._sound.take(skipped * self._samples)
                fields["audio"] = self._sound.take(piece.frames * self._samples)
                self._levels.add(fields["audio"])
            if self._signals is not None:
                fields |= self._signals.take(piece.first, piece.frames, self._wanted.frame_rate, self._pictures.times)
            self._cuts.taken = piece.first + piece.frames
            yield Piece(piece.first, piece.frames, piece.split, fields)

    def _finish(self, length_is_known: bool) -> None:
        if "video" in self._decoded:
            self._pictures.finish(self._decoded["video"])
        if "audio" in self._streams:
            self._sound.finish()
        if missing := [kind for kind in self._streams if kind not in self._decoded]:
            raise BadRecordingError(f"its {missing[0]} stream is empty", "no_stream")
        if length_is_known:
            self._check_lengths()

    def _check_lengths(self) -> None:
        """Compare what was read with what the file states: each stream, and the file as a whole.

        Raises:
            BadRecordingError: if the file ends earlier.
        """
        for kind, stream in self._streams.items():
            if stream.duration is not None:
                start = stream.start_time or 0
                self._check_length(self._decoded[kind], (start + stream.duration) * stream.time_base)
        if self._container.duration is not None:
            whole = Fraction((self._container.start_time or 0) + self._container.duration, av.time_base)
            self._check_length(max([*self._ends.values(), *self._decoded.values()]), whole)

    def _check_length(self, end: Fraction, stated: Fraction) -> None:
        if end < stated - Fraction(END_TOLERANCE):
            raise BadRecordingError(f"truncated: {float(end):.2f} of {float(stated):.2f} seconds", "truncated")

    def verdicts(self) -> list[tuple[str, str]]:
        """(reason, detail) of all that was noticed, after the last piece."""
        pictures, rate = self._pictures, self._wanted.frame_rate
        found = [*self.found, *((reason, "") for reason in sorted(pictures.found))]
        if pictures.gaps:
            found.append(("picture_gap", f"{float(pictures.gaps):.2f} s without a new picture"))
        found += pictures.levels.verdicts()
        if "audio" in self._streams:
            gaps, overlaps = float(self._sound.gaps), float(self._sound.overlaps)
            found += [("sound_gap", f"{gaps:.2f} s")] if gaps > END_TOLERANCE else []
            found += [("overlap", f"{overlaps:.2f} s")] if overlaps > END_TOLERANCE else []
            found += self._levels.verdicts()
        if self._signals is not None:
            found += self._signals.verdicts(self.frames / rate, self._pictures.times)
        return found


def read_film(
    path: Path,
    wanted: Wanted,
    cuts: Cuts,
    signals: Signals | None = None,
    again: ReadAgain | None = None,
    alive: Callable[[], None] = lambda: None,
) -> Iterator[Piece | FilmReader]:
    """The pieces of a file, and at the end its reader with what was noticed; the arguments are those of `FilmReader`.

    Raises:
        BadRecordingError: if the file cannot be read, is cut off, is damaged, or lacks a stream.
        ReadAgain: if the sound must be read with other settings; what came before is void.
    """
    with blamed_on(path.name), open_regular(path) as file:
        length_is_known = _states_its_length(file)
        with av.open(file, "r", options=LIMITS) as container:
            known = length_is_known and container.format.name not in GUESSED
            film = FilmReader(container, wanted, cuts, signals, again, alive)
            yield from film.pieces(known)
            yield film


def _states_its_length(file: BinaryIO) -> bool:
    """Whether a file of a kind that may leave its length open states it; WAV and Ogg that are cut off are refused."""
    if missing := missing_bytes(file):
        raise BadRecordingError(f"truncated: {missing} bytes are missing", "truncated")
    if lacks_its_end(file):
        raise BadRecordingError("truncated: its last page is missing", "truncated")
    file.seek(0)
    head = file.read(HEAD)
    file.seek(0)
    if head[:4] in (b"RIFF", b"RF64", b"RIFX"):
        return head[4:8] not in (b"\xff\xff\xff\xff", b"\0\0\0\0")
    is_mp3 = head[:3] == b"ID3" or (head[:1] == b"\xff" and head[1:2] >= b"\xe0")
    return not is_mp3 or any(tag in head for tag in LENGTH_TAGS)


def length_by_packets(path: Path, wanted: Wanted, alive: Callable[[], None] = lambda: None) -> int:
    """Frames of a film by the time stamps of its packets: nothing is decoded, and no header is believed.

    Raises:
        BadRecordingError: if the file cannot be read or has no such stream.
    """
    with blamed_on(path.name), open_regular(path) as file, av.open(file, "r", options=LIMITS) as container:
        stream = next((stream for stream in container.streams if stream.type == wanted.streams[0]), None)
        if stream is None:
            raise BadRecordingError(f"no {wanted.streams[0]} stream", "no_stream")
        start, end = math.inf, 0
        for packet in container.demux(stream):
            alive()
            if packet.pts is not None:
                start, end = min(start, packet.pts), max(end, packet.pts + (packet.duration or 0))
        if end <= start:
            raise BadRecordingError("no time stamps", "time_stamps")
        return math.floor((end - int(start)) * (stream.time_base or Fraction(1)) * wanted.frame_rate)


def read_media(
    path: Path, *, streams: tuple[str, ...], frames: int, frame_rate: int, sample_rate: int, size: int
) -> dict[str, np.ndarray]:
    """The first `frames` frames of a file, in this process.

    Returns:
        video uint8 [T, size, size, 3] and audio int16 [T * sample_rate / frame_rate], or one of the two.

    Raises:
        BadRecordingError: if the file cannot be read, is cut off, is damaged, is too short, or lacks a stream.
    """
    wanted = Wanted(tuple(streams), frame_rate, sample_rate, size)
    again: ReadAgain | None = None
    while True:
        try:
            *pieces, film = read_film(path, wanted, Cuts.beginning(frames), again=again)
            break
        except ReadAgain as other:
            again = other
    assert isinstance(film, FilmReader)
    if not pieces or pieces[0].frames < frames:
        raise BadRecordingError(f"{path.name}: too short: {film.frames} of {frames} frames", "too_short")
    assert isinstance(pieces[0], Piece)
    return dict(pieces[0].fields)


def duration(path: Path) -> float:
    """Seconds of a file for certain: what its container says, less what containers round or pad.

    Raises:
        BadRecordingError: if the file cannot be read, or does not say.
    """
    with blamed_on(path.name), open_regular(path) as file, av.open(file, "r", options=LIMITS) as container:
        if container.duration is None:
            raise BadRecordingError("its container does not say how long it is")
        return max(0.0, float(container.duration / av.time_base) - END_TOLERANCE)
