"""Whatever files, folders and settings are called, no name becomes a program: it works, or it is refused."""

from __future__ import annotations

import json
import os
import subprocess
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from sensorium.config import ConfigurationError
from sensorium.config.names import refuse_names

Command = Callable[..., subprocess.CompletedProcess[str]]
CLASSES = (
    "dog's$(touch PWNED)", "'a'$(touch PWNED)", '"b"`touch PWNED`', "back\\slash", "new\nline", "both'\"quotes",
    "-dash", "--force", "semi;touch PWNED", "$HOME", "glob*?[x]", "#hash", "é ü",
)  # fmt: skip


def pictures(root: Path, classes: tuple[str, ...], each: int = 2) -> int:
    """A folder of noise for each class."""
    rng = np.random.default_rng(0)
    for name in classes:
        (root / name).mkdir(parents=True)
        for number in range(each):
            image = Image.fromarray(rng.integers(0, 256, (16, 16, 3), dtype=np.uint8))
            image.save(root / name / f"{number}$(touch PWNED)'\".png")
    return each * len(classes)


@pytest.mark.parametrize(
    "executor", [("--executor", "submitit", "--submitit-cluster", "debug"), pytest.param((), marks=pytest.mark.slow)]
)
def test_no_name_reaches_a_shell(
    executor: tuple[str, ...], clone: Callable[[str], Path], command: Command, tmp_path: Path
) -> None:
    folder = clone("names it's$(touch PWNED)")
    count = pictures(folder / "my pictures", CLASSES)
    data = {"source": "picture_folders", "path": "my pictures", "recordings": count, "shards": 1, "size": 32}
    layer = folder / "a layer's $(touch PWNED).yaml"
    layer.write_text(json.dumps({"encoders": {"vision": {"neighbours": 0, "data": data}}}))
    shard = "results/data/vision/shard-0000.safetensors"
    configs = ("--configfile", "config/tiny.yaml", str(layer))
    done = command(folder, "snakemake", shard, *executor, "--cores", "1", "--jobs", "1", *configs)
    assert done.returncode == 0, done.stdout[-3000:]
    listed = json.loads((folder / "results/data/vision/shard-0000.json").read_text())
    assert listed["details"]["labels"]["vision"]["classes"] == sorted(CLASSES)
    assert not [path for path in folder.parent.rglob("PWNED*")]


@pytest.mark.parametrize("name", ["set {01}", "clip {a}.mp4", "}", os.fsdecode(b"gr\xfcn.mp4")])
def test_a_name_that_snakemake_cannot_handle_is_refused(name: str) -> None:
    refuse_names([Path("good $(x) 'name'.mp4"), Path("new\nline")])
    with pytest.raises(ConfigurationError, match="rename it"):
        refuse_names([Path("good.mp4"), Path("folder") / name])
