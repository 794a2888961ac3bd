"""Files that lie, that never end, or that are no files: each is one bad recording, at little cost, and nothing more."""

from __future__ import annotations

import os
import resource
import socket
import struct
import zlib
from collections.abc import Callable, Iterator
from pathlib import Path

import av
import numpy as np
import pytest
import soundfile
from PIL import Image

import layouts
from sensorium.config import SOUND_SUFFIXES, Cifar100Config, SpeechCommandsConfig
from sensorium.data.files import open_regular, printable
from sensorium.data.media import read_media
from sensorium.data.pictures import read_picture
from sensorium.data.quarantine import BadDataError, BadRecordingError
from sensorium.data.sounds import read_sound
from sensorium.data.sources import cifar100, speech_commands
from sensorium.data.sources.class_folders import PICTURES, class_files

READERS: dict[str, Callable[[Path], object]] = {
    "picture.png": lambda path: read_picture(path, 32),
    "sound.wav": lambda path: read_sound(path, 16_000, 16_000),
    "film.mp4": lambda path: film(path, "video"),
}


@pytest.fixture
def bounded() -> Iterator[None]:
    """A gigabyte of memory, and no more."""
    before = resource.getrlimit(resource.RLIMIT_AS)
    now = int(Path("/proc/self/statm").read_text().split()[0]) * resource.getpagesize()
    resource.setrlimit(resource.RLIMIT_AS, (now + 2**30, before[1]))
    yield
    resource.setrlimit(resource.RLIMIT_AS, before)


def film(path: Path, *streams: str) -> object:
    return read_media(path, streams=streams, frames=8, frame_rate=16, sample_rate=16_000, size=16)


def make_film(path: Path, pixels: tuple[int, int] = (64, 48), **changes: bytes) -> None:
    with av.open(str(path), "w", format="mp4") as out:
        video = out.add_stream("mpeg4", rate=16)
        video.width, video.height, video.pix_fmt = *pixels, "yuv420p"
        for number in range(12):
            picture = np.full((pixels[1], pixels[0], 3), 20 * number, np.uint8)
            out.mux(video.encode(av.VideoFrame.from_ndarray(picture, format="rgb24")))
        out.mux(video.encode())


# What is no file ------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", READERS)
@pytest.mark.parametrize("kind", ["pipe", "socket", "device", "folder", "nothing", "circle", "endless"])
def test_what_is_no_file_is_refused_at_once(
    name: str, kind: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)  # a socket's path is short
    path = Path(name)
    if kind == "pipe":
        os.mkfifo(path)
    elif kind == "socket":
        socket.socket(socket.AF_UNIX).bind(name)
    elif kind == "folder":
        path.mkdir()
    elif kind == "circle":
        path.symlink_to(name)
    elif kind in ("device", "endless"):
        path.symlink_to("/dev/null" if kind == "device" else "/dev/zero")
    with pytest.raises(BadRecordingError, match=rf"{name}: unreadable: ") as caught:
        READERS[name](path)
    if kind in ("pipe", "device", "folder", "endless"):
        assert "not a file" in str(caught.value)


def test_a_link_to_a_file_is_a_file(tmp_path: Path) -> None:
    (tmp_path / "there").write_bytes(b"content")
    (tmp_path / "link").symlink_to("there")
    with open_regular(tmp_path / "link") as file:
        assert file.read() == b"content"


@pytest.mark.parametrize("name", [os.fsdecode(b"gr\xfcn\n.wav"), "cam1:front.wav", "-x.wav"])
def test_any_name_is_read_and_shown(name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    soundfile.write(open(name, "wb"), layouts.tone(0, 0), 16_000, format="WAV")  # noqa: SIM115
    assert read_sound(Path(name), 16_000, 16_000)[1] == 16_000
    assert film(Path(name), "audio")
    Path(name).write_bytes(b"")
    for read in (READERS["sound.wav"], lambda path: film(path, "audio")):
        with pytest.raises(BadRecordingError) as caught:
            read(Path(name))
        assert str(caught.value).isprintable()
    assert printable(name).isprintable()


# Lengths, sizes and rates that lie ------------------------------------------------------------------------------------


@pytest.mark.parametrize("promised", [2**36 - 1, 2**30, 30_000])
def test_a_flac_that_promises_more_than_it_has_is_truncated(promised: int, tmp_path: Path, bounded: None) -> None:
    path = tmp_path / "lies.flac"
    soundfile.write(path, layouts.tone(0, 0), 16_000)
    data = bytearray(path.read_bytes())  # of STREAMINFO, 36 bits from the middle of byte 21 count the samples
    data[21] = data[21] & 0xF0 | promised >> 32
    data[22:26] = (promised & 0xFFFFFFFF).to_bytes(4, "big")
    path.write_bytes(data)
    with pytest.raises(BadRecordingError, match=rf"lies.flac: (truncated: 16000 of {promised} samples|unreadable)"):
        read_sound(path, 16_000, 16_000)


def test_an_mp3_that_promises_terabytes_is_truncated(tmp_path: Path, bounded: None) -> None:
    path = tmp_path / "lies.mp3"
    soundfile.write(path, layouts.tone(0, 0, 3.0), 16_000)
    data = bytearray(path.read_bytes())
    place = max(data.find(b"Xing"), data.find(b"Info"))
    data[place + 8 : place + 12] = b"\xff\xff\xff\xf0"
    path.write_bytes(data)
    with pytest.raises(BadRecordingError, match="truncated"):
        read_sound(path, 16_000, 16_000)


def test_a_format_that_cannot_be_searched_is_read(tmp_path: Path) -> None:
    path = tmp_path / "voice.wav"
    soundfile.write(path, layouts.tone(0, 0), 8000, subtype="GSM610")
    assert read_sound(path, 32_000, 16_000)[1] >= 31_000


@pytest.mark.parametrize("rate", [11_127, 22_254, 192_001, 999_999])
def test_odd_rates_cost_no_more_than_others(rate: int, tmp_path: Path, bounded: None) -> None:
    path = tmp_path / "a.wav"
    soundfile.write(path, 0.5 * np.sin(2 * np.pi * 440 * np.arange(rate) / rate), rate)
    sound, length = read_sound(path, 16_000, 16_000)
    assert abs(length - 16_000) < 50
    assert np.argmax(np.abs(np.fft.rfft(sound.astype(float)))) == 440
    assert abs(int(sound[4000:12_000].max()) - 16_384) < 400


@pytest.mark.parametrize("rate", [1_000_001, 2**31 - 1])
def test_a_rate_beyond_all_recorders_is_refused(rate: int, tmp_path: Path, bounded: None) -> None:
    path = tmp_path / "a.wav"
    soundfile.write(path, layouts.tone(0, 0), 16_000)
    data = bytearray(path.read_bytes())
    data[24:28] = struct.pack("<I", rate)
    path.write_bytes(data)
    for read in (READERS["sound.wav"], lambda path: film(path, "audio")):
        with pytest.raises(BadRecordingError, match=r"samples a second|unreadable"):
            read(path)


def chunk(kind: bytes, content: bytes) -> bytes:
    return struct.pack(">I", len(content)) + kind + content + struct.pack(">I", zlib.crc32(kind + content))


def png(width: int, height: int, rows: bytes) -> bytes:
    head = chunk(b"IHDR", struct.pack(">IIBBBBB", width, height, 8, 2, 0, 0, 0))
    return b"\x89PNG\r\n\x1a\n" + head + chunk(b"IDAT", zlib.compress(rows)) + chunk(b"IEND", b"")


@pytest.mark.parametrize(
    ("name", "content"),
    [
        ("wide.png", png(60_000, 60_000, b"")),
        ("large.png", png(12_000, 8_000, b"")),
        ("long.png", png(1, 2**31 - 1, b"")),
        ("map.bmp", b"BM" + struct.pack("<IHHIIiiHHIIiiII", 54, 0, 0, 54, 40, 30_000, 30_000, 1, 24, 0, 0, 0, 0, 0, 0)),
        ("large.ppm", b"P6 50000 50000 255\n"),
        ("large.gif", b"GIF89a\xff\xff\xff\xff\x00\x00\x00,\x00\x00\x00\x00\xff\xff\xff\xff\x00\x02\x00;"),
        ("script.jpg", b"%!PS-Adobe-3.0 EPSF-3.0\n%%BoundingBox: 0 0 9 9\n(touch) print\n%%EOF\n"),
        ("list.png", b"ffconcat version 1.0\nfile /etc/passwd\n"),
    ],
)
def test_a_small_picture_of_great_size_is_refused(name: str, content: bytes, tmp_path: Path, bounded: None) -> None:
    (tmp_path / name).write_bytes(content)
    with pytest.raises(BadRecordingError, match=rf"{name}: (too large|unreadable)"):
        read_picture(tmp_path / name, 32)


def test_a_photo_of_a_hundred_million_pixels_is_read_at_a_smaller_scale(tmp_path: Path) -> None:
    Image.new("L", (10_400, 10_000), 90).save(tmp_path / "photo.jpg")
    assert (read_picture(tmp_path / "photo.jpg", 32) == 90).all()


# Films ----------------------------------------------------------------------------------------------------------------


def test_a_codec_without_a_decoder_is_named(tmp_path: Path) -> None:
    make_film(tmp_path / "new.mp4")
    data = (tmp_path / "new.mp4").read_bytes()
    (tmp_path / "new.mp4").write_bytes(data.replace(b"mp4v", b"zz9v").replace(b"esds", b"free"))
    with pytest.raises(BadRecordingError, match=r"new.mp4: no decoder for its video"):
        film(tmp_path / "new.mp4", "video")


@pytest.mark.parametrize(
    "text",
    [
        "ffconcat version 1.0\nfile other.mp4\n",
        "ffconcat version 1.0\nfile {path}\n",
        "#EXTM3U\n#EXT-X-TARGETDURATION:9\n#EXTINF:9,\n{path}\n#EXT-X-ENDLIST\n",
        "#EXTM3U\n#EXT-X-TARGETDURATION:9\n#EXTINF:9,\nhttp://127.0.0.1:9/x.ts\n#EXT-X-ENDLIST\n",
        "v=0\no=- 0 0 IN IP4 127.0.0.1\ns=x\nc=IN IP4 127.0.0.1\nt=0 0\nm=video 9 RTP/AVP 96\na=rtpmap:96 H264/90000\n",
    ],
)
def test_a_list_of_other_files_is_not_followed(text: str, tmp_path: Path) -> None:
    make_film(tmp_path / "other.mp4")
    (tmp_path / "list.mp4").write_text(text.format(path=tmp_path / "other.mp4"))
    with pytest.raises(BadRecordingError, match=r"list.mp4: unreadable"):
        film(tmp_path / "list.mp4", "video")


def test_a_file_that_changes_between_listing_and_reading(tmp_path: Path) -> None:
    """It vanishes, is replaced by a link into nowhere, or loses its end."""
    (tmp_path / "cat").mkdir()
    (tmp_path / "dog").mkdir()
    for number in range(4):
        Image.fromarray(layouts.picture(0, number)).save(tmp_path / f"cat/{number}.bmp")
        Image.fromarray(layouts.picture(0, number)).save(tmp_path / f"dog/{number}.bmp")
    listed, classes = class_files(str(tmp_path), PICTURES)
    assert classes == ["cat", "dog"]
    paths = [Path(path) for path, _ in listed]
    paths[0].unlink()
    paths[1].unlink()
    paths[1].symlink_to("nowhere")
    os.truncate(paths[2], 500)
    for path in paths[:3]:
        with pytest.raises(BadRecordingError, match=rf"{path.name}: unreadable"):
            read_picture(path, 32)
    assert read_picture(paths[3], 32).shape == (32, 32, 3)


# Folders --------------------------------------------------------------------------------------------------------------


def test_circles_of_links_count_each_file_once(tmp_path: Path) -> None:
    for name in ("cat/part", "dog"):
        (tmp_path / name).mkdir(parents=True)
        (tmp_path / name / "a.png").touch()
    for number in range(8):
        (tmp_path / f"cat/again{number}").symlink_to(".")
        (tmp_path / f"cat/part/up{number}").symlink_to("..")
    (tmp_path / "cat/apart").symlink_to("part")
    (tmp_path / "dog/lost").symlink_to("lost")
    (tmp_path / "dog/link.png").symlink_to("a.png")
    os.mkfifo(tmp_path / "dog/pipe.png")
    found, classes = class_files(str(tmp_path), PICTURES)
    assert [(os.path.relpath(path, tmp_path), classes[kind]) for path, kind in found] == [
        ("cat/part/a.png", "cat"),
        ("dog/a.png", "dog"),
        ("dog/link.png", "dog"),
    ]


def test_the_order_is_that_of_torchvision(tmp_path: Path) -> None:
    from torchvision.datasets.folder import make_dataset

    for name in ("b/2.wav", "b/10.WAV", "b/x/1.wav", "b/x.y/1.flac", "b/x-1/0.wav", "a/é.wav", "a/z.txt", "a/Z/q.ogg"):
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).touch()
    theirs = make_dataset(tmp_path, extensions=tuple(SOUND_SUFFIXES))
    assert class_files(str(tmp_path), SOUND_SUFFIXES)[0] == theirs


def test_a_class_without_a_file_is_named(tmp_path: Path) -> None:
    (tmp_path / "cat").mkdir()
    with pytest.raises(BadDataError, match="no file for the class 'cat'"):
        class_files(str(tmp_path), PICTURES)


@pytest.mark.parametrize("name", ["validation_list.txt", "testing_list.txt"])
def test_a_list_that_is_a_pipe_is_refused(name: str, tmp_path: Path) -> None:
    folder = layouts.speech_commands(tmp_path) / "SpeechCommands/speech_commands_v0.02"
    (folder / name).unlink()
    os.mkfifo(folder / name)
    config = SpeechCommandsConfig(path=str(tmp_path), recordings=20)
    with pytest.raises(BadDataError, match="a pipe, not a file"):
        speech_commands.listing(config)


@pytest.mark.parametrize("part", ["train", "test", "meta"])
def test_a_part_of_cifar_that_is_a_pipe_is_refused(part: str, tmp_path: Path) -> None:
    folder = layouts.cifar100(tmp_path) / "cifar-100-python"
    (folder / part).unlink()
    os.mkfifo(folder / part)
    with pytest.raises(OSError, match="a pipe, not a file"):
        cifar100.listing(Cifar100Config(path=str(tmp_path), recordings=20))
