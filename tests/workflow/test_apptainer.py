"""Jobs with --sdm apptainer, which here is a stand-in that runs the command outside."""

from __future__ import annotations

import shutil

APPTAINER = """\
#!/bin/bash
if [[ $* == *--version ]]; then echo apptainer version 1.4.5; exit; fi
echo "$*" >> started
exec bash -c "${@: -1}"
"""


def test_every_job_runs_inside_the_image_beside_the_snakefile(clone, command, stub, tmp_path):
    folder = clone("apptainer")
    (folder / "sensorium.sif").touch()
    shutil.copy(stub / "sensorium", tmp_path)
    (tmp_path / "apptainer").write_text(APPTAINER)
    (tmp_path / "apptainer").chmod(0o755)
    words = "snakemake results/dynamics/manifest.json --profile local -j1 --sdm apptainer --apptainer-args=--nv"
    result = command(folder, *words.split(), path=tmp_path)
    assert result.returncode == 0, result.stdout
    started = (folder / "started").read_text()
    assert started.count("exec --home") == started.count(" sensorium.sif bash -c") > 0
    assert "--nv" in started
    for program in ("collect", "train-tokenizer", "encode-latents", "train-dynamics"):
        assert program in started
