"""Sensorium: train a self-supervised multimodal world model, then prove what it learned.

    snakemake --profile local -j1                     everything, here
    snakemake --profile slurm results/eval.json       everything, on a cluster
    snakemake -n                                      what would run, and why

One stage is one rule, one section of config/config.yaml and one module of src/sensorium. Science stands in config/,
where and on how much it runs in profiles/.
"""

from snakemake.utils import min_version

min_version("9.27")


configfile: "config/config.yaml"


# Looked at only with --sdm apptainer: a file beside this one, made of what `make image` builds (docs/container.md).
container: "sensorium.sif"


report: "workflow/report/workflow.rst"


include: "rules/common.smk"  # validates the configuration before anything else
#
# recordings
include: "rules/collect.smk"
#
# the representation line: what a sense means
include: "rules/train_encoder.smk"
include: "rules/train_fusion.smk"
include: "rules/finetune.smk"
include: "rules/train_state_dynamics.smk"
#
# the generative line: what happens next
include: "rules/train_tokenizer.smk"
include: "rules/encode_latents.smk"
include: "rules/train_dynamics.smk"
include: "rules/train_agent.smk"
#
# the proof
include: "rules/evaluate_senses.smk"
include: "rules/evaluate_dreams.smk"
include: "rules/evaluate.smk"
include: "rules/figures.smk"
#
# experiments over many seeds, targets of their own
include: "rules/study.smk"


rule all:
    """Every evaluation that is switched on, and the figures of the report."""
    default_target: True
    input:
        evaluations="results/eval.json",
        curves="results/figures/training.png",
