"""Puzzle codes: a second of sound, or a picture, as a grid of 30 x 30 cells, each one of ten codes."""


rule train_puzzle:
    """Train the map of one sense: fitted levels, learned corrections."""
    input:
        data=own_or_world("puzzle_{sense}"),
    output:
        manifest="results/puzzle/{sense}/manifest.json",
        model="results/puzzle/{sense}/model.safetensors",
    log:
        "logs/train_puzzle/{sense}.log",
    benchmark:
        "results/benchmarks/train_puzzle/{sense}.tsv"
    threads: 8
    resources:
        **GPU_4H,
    params:
        **training("train_puzzle", section("puzzle.{sense}")),
    message:
        "Training the puzzle codes of {wildcards.sense}"
    shell:
        TRAIN
