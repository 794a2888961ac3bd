"""Odd episodes of each layout, and what the gate says about each; with `odd_inputs` they make the table of the docs."""

from __future__ import annotations

import io
import pickle
import zipfile
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from toy_episodes import Arrays, dreamer, episode, minari, robomimic, write_film, write_hdf5

LAYOUTS = ("npz", "minari", "robomimic", "lerobot")
Edit = Callable[[Any], Any]


@dataclass(frozen=True)
class OddEpisode:
    """An episode: what it is, its layout, what is done to a good one, and the reason that the gate must give.

    `edit` gets the arrays of an episode, `change` the open HDF5 file, `spoil` the path of what was written.
    """

    what: str
    layout: str
    reason: str = "good"
    edit: Edit = lambda arrays: arrays
    change: Edit = lambda file: None
    spoil: Edit = lambda path: None


def put(**values: Any) -> Edit:
    """Replace arrays; a function gets the one that is there."""
    return lambda arrays: (
        arrays | {name: value(arrays[name]) if callable(value) else value for name, value in values.items()}
    )


def put_at(name: str, value: Any) -> Edit:
    return lambda arrays: put(**{name: value})(arrays)


def without(name: str) -> Edit:
    return lambda arrays: {key: value for key, value in arrays.items() if key != name}


def spoilt(value: float, at: int = 5) -> Edit:
    """An array with one other number."""

    def edit(array: np.ndarray) -> np.ndarray:
        changed = array.astype(np.float32)
        changed[at] = value
        return changed

    return edit


def cut(path: Path) -> None:
    path.write_bytes(path.read_bytes()[: path.stat().st_size * 6 // 10])


def text(path: Path) -> None:
    path.write_text("notes\n" * 400)


def pickled(path: Path) -> None:
    path.write_bytes(pickle.dumps({"image": [1, 2, 3]}))


def member(name: str, content: bytes) -> Edit:
    """Write a member of an archive anew."""

    def change(path: Path) -> None:
        with zipfile.ZipFile(path) as old:
            others = {each: old.read(each) for each in old.namelist()}
        with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as new:
            for each, data in (others | {f"{name}.npy": content}).items():
                new.writestr(each, data)

    return change


def header(shape: tuple[int, ...], dtype: str = "|u1", data: bytes = b"") -> bytes:
    """An array that promises a shape."""
    out = io.BytesIO()
    np.lib.format.write_array_header_1_0(out, {"descr": dtype, "fortran_order": False, "shape": shape})
    return out.getvalue() + data


def linked(kind: str) -> Edit:
    """Replace the pictures of an HDF5 file by a link, or by an array that is stored elsewhere."""

    def change(file: Any) -> None:
        import h5py

        group = next(iter(file.values()))
        seen = group["observations"]
        file["kept"] = seen["pixels"][:]
        shape, other = seen["pixels"].shape, Path(file.filename).with_name("other.bin")
        del seen["pixels"]
        if kind == "external":
            seen["pixels"] = h5py.ExternalLink("good.hdf5", "/episode_0/observations/pixels")
        elif kind == "through":
            file["door"] = h5py.ExternalLink("good.hdf5", "/")
            seen["pixels"] = h5py.SoftLink("/door/episode_0/observations/pixels")
        elif kind == "soft":
            seen["pixels"] = h5py.SoftLink("/kept")
        elif kind == "circle":
            seen["pixels"] = h5py.SoftLink("/circle")
            file["circle"] = h5py.SoftLink(f"{seen.name}/pixels")
        elif kind == "dangling":
            seen["pixels"] = h5py.SoftLink("/nowhere")
        elif kind == "stored":
            other.write_bytes(bytes(int(np.prod(shape))))
            seen.create_dataset("pixels", shape, "u1", external=[(str(other), 0, h5py.h5f.UNLIMITED)])
        elif kind == "virtual":
            layout = h5py.VirtualLayout(shape, "u1")
            layout[:] = h5py.VirtualSource("good.hdf5", "episode_0/observations/pixels", shape)
            seen.create_virtual_dataset("pixels", layout)
        elif kind == "promised":
            seen.create_dataset("pixels", (10**6, 24, 24, 3), "u1", chunks=(1, 24, 24, 3))

    return change


def placed(name: str, values: Edit) -> Edit:
    """Write an array of an HDF5 file anew."""

    def change(file: Any) -> None:
        group = next(iter(file.values()))
        old = group[name][:]
        del group[name]
        values(group, name, old)

    return change


def texts(group: Any, name: str, old: np.ndarray) -> None:
    import h5py

    group.create_dataset(name, data=["left"] * len(old), dtype=h5py.string_dtype())


def references(group: Any, name: str, old: np.ndarray) -> None:
    import h5py

    group.create_dataset(name, data=[group.ref] * len(old), dtype=h5py.ref_dtype)


def compounds(group: Any, name: str, old: np.ndarray) -> None:
    group[name] = np.zeros(len(old), [("x", "f4"), ("y", "f4")])


def packed(group: Any, name: str, old: np.ndarray) -> None:
    group.create_dataset(name, data=old, chunks=(4, *old.shape[1:]), compression="gzip", shuffle=True)


def a_group(group: Any, name: str, old: np.ndarray) -> None:
    group.create_group(name)["x"] = old


FLOATS = put(image=lambda image: image / np.float32(255))
SAME = put(image=lambda image: np.repeat(image[:1], len(image), 0))
ALPHA = put(image=lambda image: np.concatenate([image, np.full_like(image[..., :1], 128)], -1))
OBJECTS = put(action=lambda action: np.array([{"left": 1}] * len(action), object))
STATE = "observation.state"

ODD = [
    OddEpisode("a good episode", "npz"),
    OddEpisode("pictures with channels first", "npz", edit=put(image=lambda image: image.transpose(0, 3, 1, 2))),
    OddEpisode("grey pictures", "npz", edit=put(image=lambda image: image[..., 0])),
    OddEpisode("pictures that are half transparent", "npz", edit=ALPHA),
    OddEpisode("an array that nothing needs, of objects", "npz", edit=put(log=np.array([{}], object))),
    OddEpisode("pictures of floats from 0 to 1", "npz", "fractions", FLOATS),
    OddEpisode("pictures of 16 bits", "npz", "wrong_array", put(image=lambda image: image.astype(np.uint16) * 257)),
    OddEpisode("pictures that are vectors", "npz", "wrong_array", put(image=lambda image: image[:, 0, :, 0])),
    OddEpisode("pictures with a NaN", "npz", "non_finite", lambda a: put(image=spoilt(np.nan))(FLOATS(a))),
    OddEpisode("pictures that are all equal", "npz", "constant", SAME),
    OddEpisode("three frames", "npz", "too_short", lambda arrays: {name: each[:3] for name, each in arrays.items()}),
    OddEpisode("actions that are Python objects", "npz", "objects", OBJECTS),
    OddEpisode("actions that are texts", "npz", "objects", put(action=lambda action: np.array(["left"] * len(action)))),
    OddEpisode("no actions", "npz", "missing", without("action")),
    OddEpisode("fewer actions than pictures", "npz", "lengths", put(action=lambda action: action[:-1])),
    OddEpisode("an action that is NaN", "npz", "non_finite", put(action=spoilt(np.nan))),
    OddEpisode("an action of 7", "npz", "beyond", put(action=spoilt(7.0))),
    OddEpisode("an infinite reward", "npz", "non_finite", put(reward=spoilt(np.inf))),
    OddEpisode(
        "rewards of two numbers", "npz", "wrong_array", put(reward=lambda reward: np.stack([reward, reward], 1))
    ),
    OddEpisode("a file that was cut off", "npz", "unreadable", spoil=cut),
    OddEpisode("a text", "npz", "unreadable", spoil=text),
    OddEpisode("a pickle", "npz", "unreadable", spoil=pickled),
    OddEpisode("a shape of 10^12 pictures", "npz", "too_large", spoil=member("image", header((10**12, 24, 24, 3)))),
    OddEpisode(
        "a shape that needs more bytes than there are",
        "npz",
        "truncated",
        spoil=member("image", header((24, 24, 24, 3), data=bytes(999))),
    ),
    OddEpisode("a shape of negative length", "npz", "wrong_array", spoil=member("image", header((-1, 24, 24, 3)))),
    OddEpisode("a header that is Python", "npz", "unreadable", spoil=member("image", header((24,), "exit()"))),
    OddEpisode("a good episode", "minari"),
    OddEpisode("arrays that are compressed", "minari", change=placed("observations/pixels", packed)),
    OddEpisode("a link within the file", "minari", change=linked("soft")),
    OddEpisode("a link to another file", "minari", "outside", change=linked("external")),
    OddEpisode("a link that leads through one to another file", "minari", "outside", change=linked("through")),
    OddEpisode("links in a circle", "minari", "outside", change=linked("circle")),
    OddEpisode("a link to nothing", "minari", "missing", change=linked("dangling")),
    OddEpisode("an array that is stored in another file", "minari", "outside", change=linked("stored")),
    OddEpisode("an array that is a view of another file", "minari", "outside", change=linked("virtual")),
    OddEpisode("a million pictures that were never written", "minari", "too_large", change=linked("promised")),
    OddEpisode("actions that are texts", "minari", "objects", change=placed("actions", texts)),
    OddEpisode("actions that are references", "minari", "objects", change=placed("actions", references)),
    OddEpisode("actions that are compounds", "minari", "objects", change=placed("actions", compounds)),
    OddEpisode("a group where actions should be", "minari", "wrong_array", change=placed("actions", a_group)),
    OddEpisode("no rewards", "minari", "missing", without("rewards")),
    OddEpisode("as many observations as actions", "minari", edit=put_at("observations/pixels", lambda each: each[:-1])),
    OddEpisode("two actions too few", "minari", "lengths", put(actions=lambda actions: actions[:-2])),
    OddEpisode("an action that is infinite", "minari", "non_finite", put(actions=spoilt(np.inf))),
    OddEpisode("a file that was cut off", "robomimic", "unreadable", spoil=cut),
    OddEpisode("a text", "robomimic", "unreadable", spoil=text),
    OddEpisode("a good episode", "robomimic"),
    OddEpisode("no pictures", "robomimic", "missing", without("obs/agentview_image")),
    OddEpisode("an action of 7", "robomimic", "beyond", put(actions=spoilt(7.0))),
    OddEpisode("a good episode", "lerobot"),
    OddEpisode("rows of different lengths", "lerobot", "lengths", put(action=lambda each: [*each[:-1], each[0][:1]])),
    OddEpisode("an action that is empty", "lerobot", "missing", put(action=lambda each: [*each[:-1], None])),
    OddEpisode("actions that are texts", "lerobot", "objects", put(action=lambda each: ["left"] * len(each))),
    OddEpisode("no actions", "lerobot", "missing", without("action")),
    OddEpisode(
        "a state that is NaN", "lerobot", "non_finite", put_at(STATE, lambda each: [*each[:-1], each[0] * np.nan])
    ),
    OddEpisode("rows in the wrong order", "lerobot", "lengths", put(frame_index=lambda each: each[::-1].copy())),
    OddEpisode(
        "fewer rows than its set states", "lerobot", "lengths", lambda a: {n: each[:-1] for n, each in a.items()}
    ),
    OddEpisode("rows that were cut off", "lerobot", "unreadable", spoil=lambda paths: cut(paths[0])),
    OddEpisode("a film that was cut off", "lerobot", "unreadable", spoil=lambda paths: cut(paths[1])),
    OddEpisode("a film that ends early", "lerobot", "lengths", spoil=lambda paths: shortened(paths[1])),
    OddEpisode("no film", "lerobot", "unreadable", spoil=lambda paths: paths[1].unlink()),
]


def shortened(path: Path) -> None:
    write_film(path, episode()["frames"][:15])


def make(folder: Path, layout: str, odd: list[OddEpisode]) -> list[str]:
    """A set of good and odd episodes; the place of each odd one. One named good comes first."""
    folder.mkdir(parents=True)
    if layout == "lerobot":
        return _lerobot(folder, odd)
    places = []
    arrays: dict[str, Callable[[Arrays], Arrays]] = {"npz": dreamer, "minari": minari, "robomimic": robomimic}
    suffix = ".npz" if layout == "npz" else ".hdf5"
    group = {"npz": "", "minari": "episode_0", "robomimic": "data/demo_0"}[layout]
    good = OddEpisode("good", layout)
    for number, each in enumerate([good, *odd]):
        path = folder / ("good" if each is good else f"odd{number:02d}")
        path = path.with_suffix(suffix)
        made = each.edit(arrays[layout](episode(number)))
        if layout == "npz":
            np.savez_compressed(path, **made)
        else:
            write_hdf5(path, {group: made}, each.change)
        each.spoil(path)
        places.append(path.name if layout == "npz" else f"{path.name}:{group.rpartition('/')[2]}")
    return places[1:]


def _lerobot(folder: Path, odd: list[OddEpisode]) -> list[str]:
    from toy_episodes import write_lerobot_2

    good = OddEpisode("good", "lerobot")
    edits = {number: each.edit for number, each in enumerate([good, *odd])}
    root = write_lerobot_2(folder / "set", [episode(number) for number in edits], edits)
    for number, each in enumerate([good, *odd]):
        film = f"videos/chunk-000/observation.images.top/episode_{number:06d}.mp4"
        each.spoil([root / f"data/chunk-000/episode_{number:06d}.parquet", root / film])
    film = "videos/chunk-000/observation.images.top/episode_{0:06d}.mp4:{0}"
    return [film.format(number) for number in range(1, len(odd) + 1)]


def section(layout: str, folder: Path, count: int) -> dict[str, Any]:
    """The settings that read them."""
    names = {
        "npz": {},
        "minari": {"picture": "observations/pixels"},
        "robomimic": {},
        "lerobot": {"path": str(folder / "set"), "bounds": "unit"},
    }
    plain = {"source": "episodes", "layout": layout, "path": str(folder), "recordings": count, "size": 24}
    plain |= {"validation_fraction": 0.3, "test_fraction": 0.3}
    return plain | {"frames": 64, "shortest": 8, "max_bad_fraction": 1.0} | names[layout]
