"""Small sets of generated pictures and sounds, laid out on disk just as their publishers lay out the real ones."""

from __future__ import annotations

import os
import pickle
import struct
from pathlib import Path

import numpy as np
import soundfile

COLOURS = ((230, 40, 40), (40, 200, 60), (60, 80, 240))
WNIDS = ("n01440764", "n01443537", "n01484850")
WORDS = ("down", "left", "up")


def picture(kind: int, number: int, side: int = 32) -> np.ndarray:
    """A bar in the colour of its kind, at a place of its own, on a noisy ground: uint8 [side, side, 3]."""
    random = np.random.default_rng(1000 * kind + number)
    ground = random.integers(20, 60, (side, side, 3))
    start = random.integers(0, side // 2)
    ground[:, start : start + side // 4] = COLOURS[kind]
    return ground.astype(np.uint8)


def tone(kind: int, number: int, seconds: float = 1.0, rate: int = 16_000) -> np.ndarray:
    """A tone in the pitch of its kind, with an overtone, a beginning and an end of its own: int16 [seconds * rate]."""
    random = np.random.default_rng(1000 * kind + number)
    time = np.arange(int(seconds * rate)) / rate
    pitch = 300 * 2**kind * random.uniform(0.9, 1.1)
    wave = np.sin(2 * np.pi * pitch * time) * np.exp(-random.uniform(0.5, 6) * time) * random.uniform(0.2, 0.5)
    overtone = np.sin(2 * np.pi * random.uniform(2000, 7000) * time) * np.exp(-random.uniform(0.5, 12) * time)
    wave += overtone * random.uniform(0.05, 0.4)
    wave[: random.integers(1, len(wave) // 3)] *= 0.05
    return (32767 * (wave + random.normal(0, 1e-3, len(time))).clip(-1, 1)).astype(np.int16)


def python2_pickle(content: dict[str, object]) -> bytes:
    """A dictionary in the old form that CIFAR is published in: text of bytes, names of an old numpy."""

    def text(value: bytes) -> bytes:
        return b"T" + len(value).to_bytes(4, "little") + value

    def value(thing: object) -> bytes:
        if isinstance(thing, np.ndarray):
            shape = b"".join(b"J" + size.to_bytes(4, "little") for size in thing.shape)
            made = b"cnumpy.core.multiarray\n_reconstruct\n(cnumpy\nndarray\n(K\x00t" + text(b"b") + b"tR"
            dtype = b"cnumpy\ndtype\n(" + text(b"u1") + b"K\x00K\x01tR"
            state = b"(K\x03" + text(b"|") + b"NNNJ\xff\xff\xff\xffJ\xff\xff\xff\xffK\x00tb"
            return made + b"(K\x01(" + shape + b"t" + dtype + state + b"I00\n" + text(thing.tobytes()) + b"tb"
        if isinstance(thing, list):
            return b"](" + b"".join(value(each) for each in thing) + b"e"
        if isinstance(thing, int):
            return b"J" + thing.to_bytes(4, "little")
        return text(str(thing).encode("latin1"))

    pairs = b"".join(text(key.encode()) + value(each) for key, each in content.items())
    return b"\x80\x02}(" + pairs + b"u."


def cifar100(root: Path, training: int = 60, test: int = 18) -> Path:
    """cifar-100-python/{train,test,meta}; one picture is blank: training[7]."""
    folder = root / "cifar-100-python"
    folder.mkdir(parents=True)
    for name, count, first in (("train", training, 0), ("test", test, training)):
        pictures = np.stack([picture(number % 3, first + number) for number in range(count)])
        if name == "train":
            pictures[7] = 9
        labels = [number % 3 for number in range(count)]
        content = {
            "filenames": [f"bar_s_{number:06d}.png" for number in range(count)],
            "batch_label": f"{name}ing batch 1 of 1",
            "fine_labels": labels,
            "coarse_labels": [0] * count,
            "data": pictures.transpose(0, 3, 1, 2).reshape(count, -1),
        }
        (folder / name).write_bytes(python2_pickle(content))
    names = {"fine_label_names": ["apple", "leaf", "sea"], "coarse_label_names": ["all"]}
    (folder / "meta").write_bytes(python2_pickle(names))
    return root


class Bomb:
    """What a pickle must never be allowed to do."""

    def __init__(self, target: Path) -> None:
        self.target = target

    def __reduce__(self) -> tuple[object, ...]:
        return os.mkdir, (str(self.target),)


def poison(file: Path, target: Path) -> None:
    """Put a pickle in a file's place that makes `target` when it is read without care."""
    file.write_bytes(pickle.dumps({"data": Bomb(target)}, protocol=2))


def imagenet(root: Path, training: int = 20, test: int = 6, meta: bool = True) -> Path:
    """train and val with a folder for each class, and torchvision's meta.bin."""
    import torch
    from PIL import Image

    for part, count, first in (("train", training, 0), ("val", test, training)):
        for kind, wnid in enumerate(WNIDS):
            folder = root / part / wnid
            folder.mkdir(parents=True)
            for number in range(first, first + count):
                image = Image.fromarray(picture(kind, number, 72)).crop((0, 0, 72, 56 + number % 16))
                image.save(folder / f"{wnid}_{number}.JPEG", quality=90)
    if meta:
        names = {"n01440764": ("tench", "Tinca tinca"), "n01443537": ("goldfish",), "n01484850": ("white shark",)}
        torch.save((names, list(WNIDS)), root / "meta.bin")
    return root


def speech_commands(root: Path, speakers: int = 10, takes: int = 2) -> Path:
    """SpeechCommands/speech_commands_v0.02: a folder for each word, lists by speaker, and noise that is no word."""
    folder = root / "SpeechCommands/speech_commands_v0.02"
    lists: dict[str, list[str]] = {"validation": [], "testing": []}
    for kind, word in enumerate(WORDS):
        (folder / word).mkdir(parents=True)
        for speaker in range(speakers):
            for take in range(takes):
                name = f"{word}/{speaker:08x}_nohash_{take}.wav"
                seconds = 0.7 if take else 1.0  # not all of the published clips are a whole second
                soundfile.write(folder / name, tone(kind, 10 * speaker + take, seconds), 16_000)
                if speaker < 4:
                    lists["testing" if speaker < 3 else "validation"].append(name)
    for part, names in lists.items():
        (folder / f"{part}_list.txt").write_text("\n".join(names) + "\n")
    (folder / "_background_noise_").mkdir()
    soundfile.write(folder / "_background_noise_/hum.wav", tone(0, 0, 3.0), 16_000)
    return root


def midi(notes: list[tuple[float, float, int, int]], programs: dict[int, int] | None = None) -> bytes:
    """A MIDI file of one track, 96 ticks a beat: notes as (start and length in beats, channel, pitch)."""
    events = [(0, 0, bytes([0xC0 | channel, program])) for channel, program in (programs or {}).items()]
    for start, length, channel, pitch in notes:
        events.append((round(96 * start), 2, bytes([0x90 | channel, pitch, 100])))
        events.append((round(96 * (start + length)), 1, bytes([0x80 | channel, pitch, 0])))
    track, before = b"", 0
    for tick, _, event in sorted(events, key=lambda each: each[:2]):
        wait, before = tick - before, tick
        track += bytes([0x80 | wait >> 7, wait & 127] if wait > 127 else [wait]) + event
    track += b"\x00\xff\x2f\x00"
    return b"MThd" + struct.pack(">IHHH", 6, 0, 1, 96) + b"MTrk" + struct.pack(">I", len(track)) + track


def wad(lumps: dict[str, bytes]) -> bytes:
    """A WAD file."""
    content, entries = b"", b""
    for name, lump in lumps.items():
        entries += struct.pack("<II8s", 12 + len(content), len(lump), name.encode())
        content += lump
    return b"IWAD" + struct.pack("<II", len(lumps), 12 + len(content)) + content + entries
