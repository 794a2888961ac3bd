"""Write a set of recordings for other programs: as a folder of LeRobot, version 3.0.

Everything but the pictures is kept to the bit, and these with --codec lossless. README.md in the folder says how
Sensorium reads it again.
"""

from __future__ import annotations

import argparse
import shutil
from importlib.util import find_spec
from pathlib import Path

import yaml

from sensorium.config import ConfigurationError
from sensorium.data.recording import SPLITS, RecordingSet
from sensorium.exits import writing
from sensorium.progress import say, track

README = """\
# {source}

{count} episodes of {hours:.3f} hours, exported from a set of recordings of Sensorium. Licence: {licence}

`action`, `next.reward` and `next.done` are those that follow a frame, as usual in LeRobot. What led
to a frame stands in the columns `led.*`. To read it again as it was, write

```yaml
{section}```
"""


def main(argv: list[str]) -> None:
    """Run `sensorium export`."""
    parser = argparse.ArgumentParser(prog="sensorium export", description=__doc__)
    parser.add_argument("manifest", type=Path, metavar="MANIFEST", help="manifest.json of a set of recordings")
    parser.add_argument(
        "--lerobot", required=True, type=Path, metavar="FOLDER", help="the folder, which must not be there"
    )
    parser.add_argument(
        "--codec", choices=("h264", "lossless"), default="h264", help="of the pictures (default: %(default)s)"
    )
    args = parser.parse_args(argv)
    if args.lerobot.exists():
        parser.error(f"--lerobot {args.lerobot} is there already: remove it, or name another folder")
    if find_spec("pyarrow") is None:
        raise ConfigurationError(
            "the package pyarrow is not installed; install it with: pip install 'sensorium[parquet]'"
        )
    recordings = RecordingSet.open(args.manifest)
    with writing(args.lerobot):
        export_lerobot(recordings, args.lerobot, args.codec)


def export_lerobot(recordings: RecordingSet, folder: Path, codec: str) -> None:
    """Write the folder; it is there when it is complete."""
    from sensorium.data.offline.columns import PICTURE, columns, features, section
    from sensorium.data.offline.lerobot_writer import LeRobotWriter, film_feature

    details = recordings.details
    rate = float(details.get("frames_per_second", 1))
    ordered = [(split, name) for split in SPLITS for name in recordings.names(split)]
    first = recordings.fields(ordered[0][1])
    described = features(first, details, recordings.frames(ordered[0][1]))
    if "video" in first:
        described = {PICTURE: film_feature(first["video"].shape[1], rate, codec), **described}
    source = str(details.get("source", "recordings"))
    unfinished = folder.with_name(f"{folder.name}.unfinished")
    shutil.rmtree(unfinished, ignore_errors=True)
    writer = LeRobotWriter(unfinished, described, rate, codec, task=source)
    for _, name in track(ordered, "episodes"):
        fields, frames = recordings.fields(name), recordings.frames(name)
        writer.add(columns(fields, details, frames), fields.get("video"), frames)
    ends, named = [0], dict(zip(SPLITS, ("train", "validation", "test"), strict=True))
    for split in SPLITS:
        ends.append(ends[-1] + len(recordings.names(split)))
    ranges = {named[split]: f"{ends[k]}:{ends[k + 1]}" for k, split in enumerate(SPLITS)}
    writer.close(ranges, robot=source)
    read = {"data": section(str(folder), len(ordered), details, set(described))}
    text = yaml.safe_dump(read, sort_keys=False, default_flow_style=None)
    hours = sum(recordings.frames(name) for _, name in ordered) / rate / 3600
    licence = str(details.get("licence", "not known here"))
    about = {"source": source, "count": len(ordered), "hours": hours, "licence": licence, "section": text}
    (unfinished / "README.md").write_text(README.format(**about))
    unfinished.rename(folder)
    say(f"{folder}: {len(ordered)} episodes, {hours:.3f} h; to read it again write\n{text}")
