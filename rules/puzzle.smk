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


rule puzzle_sound:
    """Compare test sounds with what their grids decode to, beside codes that are not learned."""
    input:
        data=own_or_world("puzzle_sound"),
        puzzle="results/puzzle/sound/manifest.json",
    output:
        result="results/eval/puzzle_sound.json",
        figure=in_report("results/figures/puzzle_sound.png", "Puzzle", kind="spectrograms"),
    log:
        "logs/puzzle_sound.log",
    benchmark:
        "results/benchmarks/puzzle_sound.tsv"
    threads: 8
    resources:
        **GPU_1H,
    params:
        **evaluation("puzzle_sound"),
    message:
        "Decoding the puzzle codes of test sounds"
    shell:
        EVALUATE


use rule puzzle_sound as puzzle_sight with:
    """Compare test pictures with what their grids decode to, beside codes that are not learned."""
    input:
        data=own_or_world("puzzle_sight"),
        puzzle="results/puzzle/sight/manifest.json",
    output:
        result="results/eval/puzzle_sight.json",
        figure=in_report("results/figures/puzzle_sight.png", "Puzzle", kind="frames"),
    log:
        "logs/puzzle_sight.log",
    benchmark:
        "results/benchmarks/puzzle_sight.tsv"
    params:
        **evaluation("puzzle_sight"),
    message:
        "Decoding the puzzle codes of test pictures"
