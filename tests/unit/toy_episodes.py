"""A small episode in each layout that `source: episodes` reads, written by the layouts' own rules.

One episode has T + 1 frames and T steps. Step t was done in frame t and led to frame t + 1.
"""

from __future__ import annotations

import json
from collections.abc import Callable
from fractions import Fraction
from pathlib import Path
from typing import Any

import av
import numpy as np
from toy_films import bar

FPS, STEPS = 10, 23
Arrays = dict[str, np.ndarray]


def episode(number: int = 0, steps: int = STEPS) -> Arrays:
    """Frames, states and steps; the world ends with the last step."""
    random = np.random.default_rng(number)
    return {
        "frames": np.stack([bar(3 * number + k, 24, 24) for k in range(steps + 1)]),
        "state": random.normal(size=(steps + 1, 3)).astype(np.float32),
        "action": random.uniform(-1, 1, (steps, 2)).astype(np.float32),
        "reward": random.integers(0, 3, steps).astype(np.float32),
        "end": np.arange(steps) == steps - 1,
    }


def expected(found: Arrays, drop: int = 0) -> Arrays:
    """The recording that an episode becomes, in which `drop` frames at its end are not there."""
    frames = len(found["frames"]) - drop
    led = {name: np.concatenate([0 * found[name][:1], found[name]])[:frames] for name in ("action", "reward", "end")}
    if drop:  # what comes after the last frame is added to it
        led["reward"][-1] += found["reward"][-1]
        led["end"][-1] |= found["end"][-1]
    return {
        "action": led["action"],
        "reward": led["reward"],
        "continue": 1 - led["end"].astype(np.float32),
        "body": found["state"][:frames],
    }


# Dreamer's replay: row t has the action that led to its picture -------------------------------------------------------


def dreamer(found: Arrays) -> Arrays:
    """The arrays of an .npz file."""
    led = expected(found)
    first = np.arange(len(found["frames"])) == 0
    return {
        "image": found["frames"],
        "action": led["action"],
        "reward": led["reward"],
        "is_terminal": led["continue"] == 0,
        "is_first": first,
        "state": found["state"],
    }


def write_npz(path: Path, arrays: Arrays, **more: Any) -> None:
    """A file of arrays."""
    np.savez_compressed(path, **arrays, **more)


# Minari and robomimic -------------------------------------------------------------------------------------------------


def minari(found: Arrays) -> Arrays:
    """The arrays of a group: one observation more than actions."""
    ends = {"rewards": found["reward"], "terminations": found["end"], "truncations": 0 * found["end"]}
    return {
        "observations/pixels": found["frames"],
        "observations/state": found["state"],
        "actions": found["action"],
    } | ends


def robomimic(found: Arrays) -> Arrays:
    """The arrays of a group: as many observations as actions."""
    seen = {"obs/agentview_image": found["frames"][:-1], "obs/state": found["state"][:-1]}
    return seen | {"actions": found["action"], "rewards": found["reward"], "dones": found["end"]}


def write_hdf5(path: Path, groups: dict[str, Arrays], edit: Callable[[Any], Any] = lambda file: None) -> None:
    """A file with groups of arrays, changed by `edit` before it is closed."""
    import h5py

    with h5py.File(path, "w") as file:
        for name, arrays in groups.items():
            for array, values in arrays.items():
                file[f"{name}/{array}"] = values
        edit(file)


# LeRobot --------------------------------------------------------------------------------------------------------------


def write_film(path: Path, pictures: np.ndarray, codec: str = "libx264rgb") -> Path:
    """A film without loss."""
    path.parent.mkdir(parents=True, exist_ok=True)
    with av.open(str(path), "w") as out:
        stream = out.add_stream(codec, rate=FPS, options={"qp": "0", "g": "5"})
        stream.height, stream.width = pictures.shape[1:3]
        stream.pix_fmt = "rgb24"
        for number, picture in enumerate(pictures):
            frame = av.VideoFrame.from_ndarray(np.ascontiguousarray(picture), format="rgb24")
            frame.pts, frame.time_base = number, Fraction(1, FPS)
            out.mux(stream.encode(frame))
        out.mux(stream.encode())
    return path


def rows(number: int, found: Arrays) -> dict[str, Any]:
    """The columns of an episode, a row for each frame but the last, in which nothing is done."""
    frames = len(found["action"])
    return {
        "action": list(found["action"]),
        "observation.state": list(found["state"][:frames]),
        "next.reward": found["reward"],
        "next.done": found["end"],
        "timestamp": (np.arange(frames) / FPS).astype(np.float32),
        "frame_index": np.arange(frames),
        "episode_index": np.full(frames, number),
    }


def info(version: str, episodes: list[Arrays], **more: Any) -> dict[str, Any]:
    """What meta/info.json says."""
    size = list(episodes[0]["frames"].shape[1:])
    features = {
        "observation.images.top": {"dtype": "video", "shape": size, "names": ["height", "width", "channels"]},
        "action": {"dtype": "float32", "shape": [2], "names": ["left", "right"]},
        "observation.state": {"dtype": "float32", "shape": [3], "names": {"motors": ["a", "b", "c"]}},
        "next.reward": {"dtype": "float32", "shape": [1], "names": None},
    }
    paths = {
        "v2.1": (
            "data/chunk-{episode_chunk:03d}/episode_{episode_index:06d}.parquet",
            "videos/chunk-{episode_chunk:03d}/{video_key}/episode_{episode_index:06d}.mp4",
        ),
        "v3.0": (
            "data/chunk-{chunk_index:03d}/file-{file_index:03d}.parquet",
            "videos/{video_key}/chunk-{chunk_index:03d}/file-{file_index:03d}.mp4",
        ),
    }
    data, video = paths[version]
    plain = {"codebase_version": version, "fps": FPS, "features": features, "data_path": data, "video_path": video}
    return (
        plain | {"chunks_size": 1000, "total_episodes": len(episodes), "splits": {"train": f"0:{len(episodes)}"}} | more
    )


def write_lerobot_2(folder: Path, episodes: list[Arrays], edit: Any = None, **more: Any) -> Path:
    """Version 2.1: files for each episode. `edit` changes the columns of an episode by its number."""
    import pyarrow as pa
    from pyarrow import parquet

    (folder / "meta").mkdir(parents=True)
    (folder / "data/chunk-000").mkdir(parents=True)
    lines = []
    for number, found in enumerate(episodes):
        columns = rows(number, found)
        columns = (edit or {}).get(number, lambda same: same)(columns)
        parquet.write_table(pa.table(columns), folder / f"data/chunk-000/episode_{number:06d}.parquet")
        pictures = found["frames"][: len(found["action"])]
        write_film(folder / f"videos/chunk-000/observation.images.top/episode_{number:06d}.mp4", pictures)
        lines.append(json.dumps({"episode_index": number, "tasks": ["push"], "length": len(found["action"])}))
    (folder / "meta/episodes.jsonl").write_text("\n".join(lines) + "\n")
    (folder / "meta/info.json").write_text(json.dumps(info("v2.1", episodes, **more)))
    return folder


def write_lerobot_3(folder: Path, episodes: list[Arrays], **more: Any) -> Path:
    """Version 3.0: one file of rows and one film for all episodes."""
    import pyarrow as pa
    from pyarrow import parquet

    for place in ("meta/episodes/chunk-000", "data/chunk-000"):
        (folder / place).mkdir(parents=True)
    tables = [pa.table(rows(number, found)) for number, found in enumerate(episodes)]
    parquet.write_table(pa.concat_tables(tables), folder / "data/chunk-000/file-000.parquet")
    pictures = [found["frames"][: len(found["action"])] for found in episodes]
    write_film(folder / "videos/observation.images.top/chunk-000/file-000.mp4", np.concatenate(pictures))
    starts = np.cumsum([0, *map(len, pictures)])
    entries = [
        {
            "episode_index": number,
            "tasks": ["push"],
            "length": len(pictures[number]),
            "data/chunk_index": 0,
            "data/file_index": 0,
            "videos/observation.images.top/chunk_index": 0,
            "videos/observation.images.top/file_index": 0,
            "videos/observation.images.top/from_timestamp": float(starts[number] / FPS),
        }
        for number in range(len(episodes))
    ]
    parquet.write_table(pa.Table.from_pylist(entries), folder / "meta/episodes/chunk-000/file-000.parquet")
    (folder / "meta/info.json").write_text(json.dumps(info("v3.0", episodes, **more)))
    return folder


def write_all(layout: str, folder: Path, episodes: list[Arrays]) -> dict[str, Any]:
    """Episodes in a layout (or "lerobot 2", "lerobot 3"), and the keys of `data` that name their parts."""
    folder.mkdir(parents=True, exist_ok=True)
    if layout == "npz":
        for number, found in enumerate(episodes):
            write_npz(folder / f"{number:03d}.npz", dreamer(found))
        return {"body": ["state"]}
    if layout == "minari":
        write_hdf5(folder / "main_data.hdf5", {f"episode_{k}": minari(found) for k, found in enumerate(episodes)})
        return {"picture": "observations/pixels", "body": ["observations/state"]}
    if layout == "robomimic":
        write_hdf5(folder / "demo.hdf5", {f"data/demo_{k}": robomimic(found) for k, found in enumerate(episodes)})
        return {"body": ["obs/state"], "end": "dones"}
    writer = {"lerobot 2": write_lerobot_2, "lerobot 3": write_lerobot_3}[layout]
    writer(folder / "set", episodes)
    return {"path": str(folder / "set"), "reward": "next.reward", "end": "next.done", "bounds": "unit"}
