"""Sensorium: train a self-supervised multimodal world model, then prove what it learned.

    snakemake --profile local -j1                     everything, here
    snakemake --profile slurm results/eval.json       everything, on a cluster
    snakemake -n                                      what would run, and why

One stage is one rule, one section of config/config.yaml and one module of src/sensorium. What changes a result stands
in config/; where and on how much it runs stands in profiles/.
"""

from pathlib import Path

from snakemake.utils import min_version

min_version("9.27")


configfile: workflow.source_path("config/config.yaml")


# A folder of one's own (--directory) may have settings of its own.
if Path("config/config.yaml").exists():

    configfile: "config/config.yaml"


# Used only with --sdm apptainer: a file beside this one, made from what `make image` builds (docs/container.md).
container: "sensorium.sif"


report: "workflow/report/workflow.rst"


include: "rules/common.smk"  # validates the configuration before anything else
include: "workflow/one_run.smk"  # one run at a time in this folder, also after a kill
include: "workflow/stopping.smk"  # SIGTERM ends a run always
include: "workflow/asked.smk"  # a dry run shows what each job would ask a cluster for
#
# recordings
include: "rules/data.smk"
#
# the lines: each evaluation stands beside the training that it judges
include: "rules/perception.smk"  # encoders, fusion, fine-tuning
include: "rules/forecasting.smk"  # dynamics of the world state
include: "rules/generation.smk"  # tokenizers, latents, dynamics that dream
include: "rules/agent.smk"  # cloning, then training in dreams
include: "rules/puzzle.smk"  # sound and pictures as grids of ten codes
include: "rules/music.smk"  # the drums of one song with the harmony of another
#
# every evaluation in one file, and the training curves
include: "rules/results.smk"
#
# experiments over many seeds, targets of their own
include: "rules/studies.smk"


rule all:
    """Run every evaluation that is switched on, draw the training curves and some recordings."""
    default_target: True
    input:
        evaluations="results/eval.json",
        curves="results/figures/training.png",
        recordings="results/figures/recordings.png",
