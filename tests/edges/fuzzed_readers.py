"""Every reader of files, valid files for it, and the exceptions that it documents."""

from __future__ import annotations

import io
import json
import pickle
import random
import sys
import tarfile
import zipfile
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import av
import numpy as np
import soundfile
import torch
from PIL import Image
from torch import nn

sys.path.insert(0, str(Path(__file__).parents[1]))
import layouts
from sensorium.artifacts import ArtifactError, digest, write_json
from sensorium.config import ConfigurationError, Training
from sensorium.data.archives import read_archive
from sensorium.data.files import blamed_on
from sensorium.data.media import read_media
from sensorium.data.offline.npz import NpzSet
from sensorium.data.offline.reader import EpisodeReader
from sensorium.data.pictures import read_picture
from sensorium.data.plain_pickle import Array, PickleError, read_plain
from sensorium.data.quarantine import BadDataError, BadRecordingError
from sensorium.data.recording import RecordingSet, read_shard, write_shard
from sensorium.data.shards import describe_shard, read_lists
from sensorium.data.sounds import read_sound
from sensorium.data.sources import imagenet
from sensorium.evaluation.curves import run_curves
from sensorium.interactive.actions import read_actions
from sensorium.music.midi import MidiError
from sensorium.music.midi_files import read_songs
from sensorium.music.written_songs import full_bars
from sensorium.puzzle import dense_text
from sensorium.puzzle.grid import GridError, pack, read_grids
from sensorium.puzzle.text_codes import decode
from sensorium.training.checkpoint import Checkpoints
from sensorium.training.optimiser import Optimiser

Files = dict[str, bytes]
RATE = 16_000


@dataclass(frozen=True)
class Reader:
    """A reader of files.

    Attributes:
        seeds: makes valid files, by name.
        read: reads the one at a path; others may have been put beside it before.
        raises: what it may raise.
        cases: damaged files that CI tries.
        is_json: whether its files are JSON, whose values are then exchanged.
    """

    seeds: Callable[[Path], Files]
    read: Callable[[Path], Any]
    raises: tuple[type[BaseException], ...]
    cases: int
    is_json: bool = False


def pictures(folder: Path) -> Files:
    image = Image.fromarray(layouts.picture(0, 0, 40))
    files = {}
    for suffix, options in (
        ("png", {}), ("jpg", {}), ("bmp", {}), ("gif", {}), ("webp", {}), ("tif", {}), ("ppm", {}), ("avif", {}),
        ("progressive.jpg", {"progressive": True}), ("lzw.tif", {"compression": "tiff_lzw"}),
    ):  # fmt: skip
        image.save(folder / f"a.{suffix}", **options)
        files[f"a.{suffix}"] = (folder / f"a.{suffix}").read_bytes()
    return files


def sounds(folder: Path) -> Files:
    files = {}
    formats = {
        "wav": None,
        "flac": None,
        "ogg": None,
        "mp3": None,
        "aiff": None,
        "voice.wav": "GSM610",
        "f.wav": "FLOAT",
    }
    for name, subtype in {**formats, "ima.wav": "IMA_ADPCM", "law.wav": "ULAW"}.items():
        soundfile.write(folder / f"a.{name}", layouts.tone(0, 0, 0.3), 11_025, subtype=subtype)
        files[f"a.{name}"] = (folder / f"a.{name}").read_bytes()
    return files


def films(folder: Path) -> Files:
    files = {}
    for suffix, codec, voice in (
        ("mp4", "mpeg4", "aac"), ("mkv", "mpeg4", "aac"), ("avi", "mpeg4", "mp3"), ("mov", "mjpeg", "pcm_s16le"),
        ("webm", "libvpx", "libopus"), ("mpg", "mpeg2video", "mp2"), ("h.mp4", "libx264", "aac"),
    ):  # fmt: skip
        path = folder / f"a.{suffix}"
        with av.open(str(path), "w") as out:
            video = out.add_stream(codec, rate=25)
            video.width, video.height = 48, 32
            video.pix_fmt = "yuvj420p" if codec == "mjpeg" else "yuv420p"
            sound = out.add_stream(voice, rate=48_000)
            sound.layout = "mono"
            for number in range(16):
                frame = av.VideoFrame.from_ndarray(layouts.picture(0, number, 48)[:32], format="rgb24")
                out.mux(video.encode(frame))
            out.mux(video.encode())
            wave = av.AudioFrame.from_ndarray(layouts.tone(0, 0, 0.6, 48_000)[None], format="s16", layout="mono")
            wave.sample_rate = 48_000
            resampler = av.AudioResampler(format=sound.format, layout="mono", rate=48_000, frame_size=sound.frame_size)
            for piece in [*resampler.resample(wave), *resampler.resample(None)]:
                out.mux(sound.encode(piece))
            out.mux(sound.encode())
        files[path.name] = path.read_bytes()
    return files


def episodes(folder: Path) -> Files:
    files = {}
    for name, save in (("packed", np.savez_compressed), ("plain", np.savez)):
        arrays = {
            "image": np.stack([layouts.picture(0, number, 24) for number in range(9)]),
            "action": np.linspace(-1, 1, 18, dtype=np.float32).reshape(9, 2),
            "reward": np.arange(9.0),
            "is_terminal": np.arange(9) == 8,
        }
        save(folder / f"{name}.npz", **arrays)
        files[f"{name}.npz"] = (folder / f"{name}.npz").read_bytes()
    return files


def read_episode(path: Path) -> None:
    names = {"picture": "image", "action": "action", "body": [], "reward": "reward", "end": "is_terminal", "sound": ""}
    job = {**names, "led": True, "kind": "continuous", "scales": {}, "shapes": {}, "layout": "npz"}
    job |= {"wanted": {"size": 16, "fit": "crop"}, "cuts": {"frames": 4, "shortest": 2}}
    with blamed_on(path.name), NpzSet(path.parent, []).open(path.name) as episode:
        reader = EpisodeReader(episode, job)
        list(reader.pieces())
        reader.verdicts()


def pickles(folder: Path) -> Files:
    layouts.cifar100(folder / "cifar", training=8, test=4)
    found = {path.name: path.read_bytes() for path in (folder / "cifar/cifar-100-python").iterdir()}
    content = {"data": np.arange(12, dtype="<i4").reshape(3, 4), "names": ["a", "ä" * 300], "more": [1, 2.5, None, {}]}
    return found | {f"of protocol {number}": pickle.dumps(content, number) for number in range(5)}


def read_pickle(path: Path) -> None:
    value = read_plain(path.read_bytes())
    for each in value.values() if isinstance(value, dict) else ():
        if isinstance(each, Array):
            each.numbers()


def archives(folder: Path) -> Files:
    content = {f"set/{number}/{number}_ann_1.wav": bytes([number]) * 600 for number in range(4)}
    files = {}
    for mode in ("w:", "w:gz"):
        packed = io.BytesIO()
        with tarfile.open(fileobj=packed, mode=mode) as out:  # type: ignore[call-overload]
            for name, data in content.items():
                entry = tarfile.TarInfo(name * (20 if name.startswith("set/3") else 1))
                entry.size = len(data)
                out.addfile(entry, io.BytesIO(data))
        files[f"a.{mode}"] = packed.getvalue()
    for method in (zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED):
        packed = io.BytesIO()
        with zipfile.ZipFile(packed, "w", method) as zipped:
            for name, data in content.items():
                zipped.writestr(name, data)
        files[f"a.{method}.zip"] = packed.getvalue()
    return files


def shards(folder: Path) -> Files:
    fields = {
        "video": np.zeros((4, 8, 8, 3), np.uint8),
        "audio": np.arange(40, dtype=np.int16),
        "body": np.ones((4, 2)),
    }
    write_shard(folder / "s.safetensors", {"toy-000000": fields, "toy-000001": fields})
    return {"s.safetensors": (folder / "s.safetensors").read_bytes()}


def shard_lists(folder: Path) -> Files:
    shards(folder)
    entries = [{"name": f"toy-{n:06d}", "number": n, "frames": 4, "split": "training"} for n in range(2)]
    describe_shard(
        folder / "s.safetensors", section_json="{}", recordings=entries, quarantine=[{"name": "x", "reason": "y"}],
        details={"size": 8, "samples_per_frame": 10, "frames_per_second": 16, "sample_rate": 160}, inputs={},
    )  # fmt: skip
    return {"s.json": (folder / "s.json").read_bytes()}


def manifests(folder: Path) -> Files:
    listed = json.loads(shard_lists(folder)["s.json"])
    entries = [{**entry, "shard": "s"} for entry in listed["recordings"]]
    details = {**listed["details"], "recordings": entries, "quarantine": [], "source": "toy"}
    shard = {"path": "s.safetensors", "sha256": listed["sha256"], "bytes": 1}
    content = {"kind": "recordings", "config": {}, "inputs": {}, "files": {"s": shard}, "details": details}
    return {"manifest.json": json.dumps(content).encode()}


TRAINING = Training(steps=4, batch=2, warmup=1, ema=0.9)


def learning() -> tuple[nn.Module, Optimiser]:
    torch.manual_seed(0)
    model = nn.Sequential(nn.Linear(4, 3), nn.LayerNorm(3))
    return model, Optimiser(model, TRAINING)


def checkpoints(folder: Path) -> Files:
    model, optimiser = learning()
    model(torch.ones(2, 4)).square().sum().backward()
    optimiser.update(0, optimiser.norms())
    Checkpoints(folder / "checkpoints").save(1, optimiser.tensors(), {})
    return {"tensors.safetensors": (folder / "checkpoints/step-00000001/tensors.safetensors").read_bytes()}


def go_on(path: Path) -> None:
    """From tensors with a right digest, as whoever damages them on purpose would write it."""
    place = path.parent / "checkpoints/step-00000001"
    path.replace(place / path.name)
    write_json(place / "state.json", {"step": 1, "sha256": digest(place / path.name), "values": {}})
    found = Checkpoints(place.parent).newest()
    if found is None:
        return
    model, optimiser = learning()
    optimiser.restore(found.tensors)
    model(torch.ones(2, 4)).square().sum().backward()
    optimiser.update(1, optimiser.norms())


def states(folder: Path) -> Files:
    checkpoints(folder)
    return {"state.json": (folder / "checkpoints/step-00000001/state.json").read_bytes()}


def read_state(path: Path) -> None:
    path.replace(path.parent / "checkpoints/step-00000001" / path.name)
    Checkpoints(path.parent / "checkpoints").newest()


def metrics(folder: Path) -> Files:
    (folder / "runs/r").mkdir(parents=True)
    content = {"kind": "fusion", "config": {}, "inputs": {}, "files": {}, "details": {"run": "r"}}
    write_json(folder / "manifest.json", content)
    records = [{"step": step, "train/loss": 1 / step, "val/loss": None} for step in range(1, 9)]
    return {"metrics.jsonl": "".join(json.dumps(record) + "\n" for record in records).encode()}


def read_metrics(path: Path) -> None:
    path.replace(path.parent / "runs/r" / path.name)
    run_curves(path.parent / "manifest.json")


def actions(folder: Path) -> Files:
    np.save(folder / "a.npy", np.linspace(-1, 1, 20).reshape(10, 2))
    return {"a.npy": (folder / "a.npy").read_bytes(), "a.json": json.dumps([[0.1, -1.0]] * 10).encode()}


def class_names(folder: Path) -> Files:
    torch.save(({"n1": ("tench", "Tinca tinca"), "n2": ("goldfish",)}, ["n1"]), folder / "meta.bin")
    return {"meta.bin": (folder / "meta.bin").read_bytes()}


ACTION = {"kind": "continuous", "size": 2}


def grids(folder: Path) -> Files:
    texts = {"raw": random.Random(0).randbytes(700), "empty": b"so it goes, and so it goes on; " * 8}
    return {f"{name}.grid": b"".join(map(pack, dense_text.encode(text))) for name, text in texts.items()}


def songs(folder: Path) -> Files:
    notes = [(number / 2, 0.4, number % 2 * 9, 36 + number % 30) for number in range(60)]
    song = layouts.midi(notes, {0: 33})
    return {"a.mid": song, "b.mid": layouts.midi(notes[:3]), "c.wad": layouts.wad({"D_A": song, "MAP": b"x" * 50})}


def read_every_song(path: Path) -> None:
    for _, song in read_songs(path):
        if isinstance(song, MidiError):
            raise song
        full_bars(song.notes, 2)


READERS = {
    "pictures": Reader(pictures, lambda path: read_picture(path, 32), (BadRecordingError,), 1200),
    "sounds": Reader(sounds, lambda path: read_sound(path, RATE, RATE), (BadRecordingError,), 500),
    "films": Reader(
        films,
        lambda path: read_media(path, streams=("video", "audio"), frames=8, frame_rate=16, sample_rate=RATE, size=16),
        (BadRecordingError,),
        250,
    ),
    "episodes": Reader(episodes, read_episode, (BadRecordingError,), 500),
    "pickles": Reader(pickles, read_pickle, (PickleError,), 800),
    "archives": Reader(archives, lambda path: list(read_archive(path, ".wav")), (ArtifactError,), 500),
    "class names": Reader(class_names, lambda path: imagenet._names(path, ["n1", "n2"]), (BadDataError,), 100),
    "shards": Reader(shards, read_shard, (ArtifactError,), 500),
    "lists of shards": Reader(shard_lists, lambda path: read_lists([path], "{}"), (ArtifactError,), 200, is_json=True),
    "manifests": Reader(manifests, RecordingSet.open, (ArtifactError, OSError), 200, is_json=True),
    "checkpoints": Reader(checkpoints, go_on, (KeyError, ValueError), 300),
    "states of checkpoints": Reader(states, read_state, (), 100, is_json=True),
    "metrics": Reader(metrics, read_metrics, (ArtifactError,), 200),
    "grids": Reader(grids, lambda path: decode(read_grids(path), None), (GridError,), 300),
    "songs": Reader(songs, read_every_song, (MidiError,), 600),
    "actions": Reader(actions, lambda path: read_actions(path, ACTION), (ConfigurationError,), 300),
}
