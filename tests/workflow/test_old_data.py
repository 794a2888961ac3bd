"""Old recordings never stand in for new ones: what the settings name is checked before Snakemake looks at results."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

FILMS, PICTURES = 24, 12
ODD = os.fsdecode(b"films/set {01}: gr\xfcn.mp4")  # a name that Snakemake could not handle as an input


@pytest.fixture(scope="module")
def done(clone, command, stub) -> Path:
    """A copy of the repository that has recordings of films and of pictures, made by a good run."""
    folder = clone("done")
    (folder / "films").mkdir()
    for number in range(FILMS):
        (folder / f"films/{number}.mp4").touch()
    (folder / "films/0.mp4").rename(folder / ODD)
    for number in range(PICTURES):
        for kind in ("cat", "dog"):
            (folder / "pictures" / kind).mkdir(parents=True, exist_ok=True)
            (folder / f"pictures/{kind}/{number}.png").touch()
    result = command(folder, *words(), *targets(), path=stub)
    assert result.returncode == 0, result.stdout
    assert "Nothing to be done" in command(folder, *words(), "-n", *targets()).stdout
    return folder


def words(films: str = "path: films, recordings: 24", pictures: str = "path: pictures, recordings: 24") -> list[str]:
    """A command with a world of films, and pictures for the vision encoder."""
    data = f"data={{source: folder, {films}, shards: 1}}"
    own = f"encoders={{vision: {{neighbours: 0, data: {{source: picture_folders, {pictures}, shards: 1}}}}}}"
    return ["snakemake", "--profile", "local", "-j2", "--config", data, own]


def targets() -> list[str]:
    """The manifests of both sets; after an option, which ends the values of --config."""
    return ["--quiet", "progress", "--", "results/data/folder/manifest.json", "results/data/vision/manifest.json"]


@pytest.mark.parametrize(
    ("changed", "dry", "named"),
    [
        ({"films": "path: nowhere, recordings: 24"}, [], "data.path = 'nowhere': no such folder"),
        ({"films": "path: films, recordings: 300"}, ["-n"], "data.recordings = 300: films has 24 files"),
        ({"pictures": "path: pictures, recordings: 25"}, ["-n"], "encoders.vision.data.recordings = 25"),
    ],
)
def test_a_changed_source_that_is_not_there_stops_everything(done, warm_command, changed, dry, named):
    result = warm_command(done, *words(**changed), *dry, *targets())
    assert result.returncode == 1, result.stdout
    assert f"config: {named}" in result.stdout
    assert "Nothing to be done" not in result.stdout


def test_films_are_known_by_their_names_and_sizes(done, warm_command):
    def planned() -> str:
        return warm_command(done, *words(), "-n", "--", "results/data/folder/manifest.json").stdout

    os.utime(done / ODD, (2**32, 2**32))
    assert "Nothing to be done" in planned(), "a date in the future does nothing"
    (done / "films/.DS_Store").touch()
    assert "Nothing to be done" in planned(), "nor does what is no film"
    (done / "films/1.mp4").write_bytes(b"another film")
    assert "Recording shard 0000 of folder" in planned()
    (done / "films/1.mp4").write_bytes(b"")
    assert "Nothing to be done" in planned()


def test_a_job_does_not_list_the_sources_again(done, warm_command):
    """Each job's own process reads the Snakefile; a set of a million files would be listed a hundred times."""
    wrong = [*words("path: nowhere, recordings: 24"), "-n", "--mode", "subprocess"]
    result = warm_command(done, *wrong, "--", "results/studies/curiosity.json")
    assert result.returncode == 0, result.stdout
