"""A page on which songs, the result and its stems are heard and seen: HTML that needs no network and no other program.

Sounds are MP3s inside the page, or files beside it where they are too long for that.
"""

from __future__ import annotations

from base64 import b64encode
from collections.abc import Callable, Iterator, Mapping
from contextlib import ExitStack
from hashlib import sha256
from html import escape
from io import BytesIO
from pathlib import Path
from typing import Any, BinaryIO

import av
import numpy as np
import torch
from torchaudio.functional import melscale_fbanks

from sensorium.artifacts import atomic_path
from sensorium.evaluation import figures
from sensorium.music.beat_features import RATE, Framed
from sensorium.music.table import STEMS

INDEX = "index.html"
TITLES = {
    "output": "Result",
    "a": "A, as it is used",
    "b": "B, as it is used",
    **{name: f"{name[:-2].capitalize()} of {name[-1].upper()}" for name in STEMS},
}
BITS = 128_000  # a second of a sound
INLINE = 24_000_000  # bytes of all sounds that a page holds at most
COLUMNS, BANDS, SIZE, FRAMES = 1000, 96, 2048, 50  # of pictures: at most, bands, samples of a window, frames a second
LOWEST, HIGHEST = 40.0, 16_000.0  # Hz
QUIETEST, LOUDEST = -30.0, 45.0  # dB of a band's power that are drawn
LEFT, WIDTH = 0.05, 0.94  # of a picture: where its axes begin, and how wide they are
STYLE = """
:root{color-scheme:light dark}body{font:15px/1.5 system-ui,sans-serif;margin:1rem auto;max-width:64rem;padding:0 1rem}
h1{font-size:1.4rem}h2{font-size:1rem;margin:1.2rem 0 .2rem}audio{width:100%}figure{margin:0;position:relative}
img{display:block;width:100%;background:#fff}
figure div{position:absolute;top:0;bottom:0;left:5%;width:2px;background:#0bf}
kbd{border:1px solid #888;border-radius:.3rem;padding:0 .4rem}pre{overflow-x:auto}section.now h2{color:#c8553d}
"""
SCRIPT = f"""
const sections = [...document.querySelectorAll("section")];
const sounds = sections.map(section => section.querySelector("audio"));
let now = 0;
const show = number => {{
  now = number;
  sections.forEach((section, other) => section.classList.toggle("now", other === number));
}};
const change = number => {{
  const before = sounds[now], time = before.currentTime, playing = !before.paused;
  before.pause();
  show(number);
  sounds[number].currentTime = time;
  sounds[number].focus();
  if (playing) sounds[number].play();
}};
sounds.forEach((sound, number) => {{
  const figure = sections[number].querySelector("figure"), line = figure.querySelector("div");
  sound.addEventListener("play", () => {{
    sounds.forEach(other => other === sound || other.pause());
    show(number);
  }});
  sound.addEventListener("timeupdate", () => {{
    line.style.left = `${{100 * ({LEFT} + {WIDTH} * sound.currentTime / (sound.duration || 1))}}%`;
  }});
  figure.addEventListener("click", event => {{
    const box = figure.getBoundingClientRect();
    const share = ((event.clientX - box.left) / box.width - {LEFT}) / {WIDTH};
    if (number !== now) change(number);
    sound.currentTime = Math.min(1, Math.max(0, share)) * sound.duration;
  }});
}});
addEventListener("keydown", event => {{
  const number = "123456789".indexOf(event.key);
  if (event.ctrlKey || event.altKey || event.metaKey) return;
  if (event.key === " ") {{
    event.preventDefault();
    if (sounds[now].paused) sounds[now].play(); else sounds[now].pause();
  }} else if (number >= 0 && number < sounds.length) {{
    event.preventDefault();
    change(number);
  }}
}});
show(0);
"""


class SoundPage:
    """Hears sounds piece by piece and then writes the page.

    Args:
        folder: of the page.
        files: closes what is open; files beside the page are there once it has.
        channels: of every sound.
        samples: of every sound at RATE.

    Raises:
        StorageError: if something cannot be written.
    """

    def __init__(self, folder: Path, files: ExitStack, channels: int, samples: int) -> None:
        beside = len(TITLES) * samples / RATE * BITS / 8 > INLINE
        self._page = files.enter_context(atomic_path(folder / INDEX))
        self._samples = samples
        self._pictures = {name: Picture(samples) for name in TITLES}
        self._held: dict[str, BytesIO] = {} if beside else {name: BytesIO() for name in TITLES}
        self._sounds: dict[str, Mp3] = {}
        for name in TITLES:
            target: BinaryIO | None = self._held.get(name)
            if target is None:
                target = files.enter_context(files.enter_context(atomic_path(folder / f"{name}.mp3")).open("wb"))
            self._sounds[name] = Mp3(target, channels)

    def hears(self, name: str) -> list[Callable[[np.ndarray], None]]:
        """What is to be given the sound of this name, [channels, n] at a time."""
        return [self._pictures[name].add, self._sounds[name].add]

    def write(self, songs: Mapping[str, str], text: str) -> None:
        """The page, once every sound has ended.

        Args:
            songs: names of A and of B.
            text: what is printed of them.
        """
        first, second = (escape(songs[name]) for name in ("a", "b"))
        with self._page.open("w", encoding="utf-8") as page:
            page.write(
                f'<!doctype html><html lang="en"><head><meta charset="utf-8">{_policy()}'
                f"<title>{first} with {second}</title><style>{STYLE}</style></head><body>"
                f"<h1>The drums of {first} with the harmony of {second}</h1>"
                f"<p>Keys <kbd>1</kbd> to <kbd>{len(TITLES)}</kbd> change to another sound at the same place; "
                "<kbd>Space</kbd> plays it and holds it. A click on a picture goes there. The WAV files are exact, "
                "the sounds of this page are MP3s.</p>"
            )
            for number, name in enumerate(TITLES, start=1):
                page.writelines(self._section(number, name))
            page.write(f"<h2>What was done</h2><pre>{escape(text)}</pre><script>{SCRIPT}</script></body></html>")

    def _section(self, number: int, name: str) -> Iterator[str]:
        """The part of a sound, whose own bytes are forgotten."""
        self._sounds.pop(name).close()
        title, source = TITLES[name], f"{name}.mp3"
        if name in self._held:
            source = f"data:audio/mpeg;base64,{b64encode(self._held.pop(name).getbuffer()).decode()}"
        yield f'<section aria-label="{title}"><h2><kbd>{number}</kbd> {title}</h2><audio controls preload="auto" src="'
        yield source
        picture = b64encode(self._pictures.pop(name).png()).decode()
        yield (
            f'"></audio><figure><img src="data:image/png;base64,{picture}" alt="spectrogram of {title}">'
            "<div></div></figure></section>"
        )


def _policy() -> str:
    """Nothing from elsewhere is loaded, and no script but that of the page runs."""
    digest = b64encode(sha256(SCRIPT.encode()).digest()).decode()
    return (
        '<meta http-equiv="Content-Security-Policy" content="default-src \'none\'; img-src data:; '
        f"media-src data: 'self' file:; style-src 'unsafe-inline'; script-src 'sha256-{digest}'\">"
    )


class Mp3:
    """Encodes a sound piece by piece.

    Args:
        target: an open file.
        channels: 1 or 2.
    """

    def __init__(self, target: BinaryIO, channels: int) -> None:
        self._layout = "stereo" if channels == 2 else "mono"
        self._container = av.open(target, "w", format="mp3")
        self._stream: Any = self._container.add_stream("libmp3lame", rate=RATE, layout=self._layout, bit_rate=BITS)
        size = self._stream.frame_size or None
        self._resampler = av.AudioResampler(self._stream.format.name, self._layout, RATE, frame_size=size)

    def add(self, part: np.ndarray) -> None:
        """The next piece, [channels, n]."""
        frame = av.AudioFrame.from_ndarray(np.ascontiguousarray(part, np.float32), "fltp", self._layout)
        frame.sample_rate = RATE
        self._encode(self._resampler.resample(frame))

    def close(self) -> None:
        """End the file."""
        self._encode(self._resampler.resample(None))
        self._container.mux(self._stream.encode(None))
        self._container.close()

    def _encode(self, frames: list[av.AudioFrame]) -> None:
        for frame in frames:
            self._container.mux(self._stream.encode(frame))


class Picture:
    """The spectrogram of a sound that comes piece by piece, in at most COLUMNS columns.

    Args:
        samples: of the sound.
    """

    def __init__(self, samples: int) -> None:
        weights = melscale_fbanks(SIZE // 2 + 1, LOWEST, HIGHEST, BANDS, RATE)
        self._frames = Framed(SIZE, RATE // FRAMES, weights, power=2)
        self._seconds, self._count = samples / RATE, -(-samples * FRAMES // RATE) + 1
        columns = min(COLUMNS, self._count)
        self._sums, self._heard, self._next = np.zeros((columns, BANDS)), np.zeros((columns, 1)), 0

    def add(self, part: np.ndarray) -> None:
        """The next piece, [channels, n]."""
        self._frames.add(torch.from_numpy(part.mean(0, dtype=np.float32)))
        powers = self._frames.taken()
        columns = (np.arange(len(powers)) + self._next) * len(self._sums) // self._count
        np.add.at(self._sums, columns, powers)
        np.add.at(self._heard, columns, 1.0)
        self._next += len(powers)

    def decibels(self) -> np.ndarray:
        """Mean power of each band, [bands, columns]; those that no window reached are silent."""
        return np.asarray(10 * np.log10((self._sums / np.maximum(self._heard, 1)).T + 1e-10))

    def png(self) -> bytes:
        """The picture, with axes."""
        scale = lambda hertz: np.log1p(hertz / 700)  # noqa: E731 - of the bands
        ticks = {f"{hertz / 1000:g}": hertz for hertz in (100, 500, 2000, 8000)}
        places = {
            name: BANDS * (scale(hertz) - scale(LOWEST)) / (scale(HIGHEST) - scale(LOWEST))
            for name, hertz in ticks.items()
        }
        return figures.strip(self.decibels(), self._seconds, places, (QUIETEST, LOUDEST), (LEFT, WIDTH))
