"""Puzzle codes: a second of sound, or a picture, as a grid of 30 x 30 cells, each one of ten codes."""


rule train_puzzle:
    """Train a code of one sense: a map or a list, fitted and then corrected, or a preset of earlier work."""
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
        **GPU_TRAINING,
    params:
        **training("train_puzzle", section("puzzle.{sense}")),
    message:
        "Training the puzzle codes of {wildcards.sense}"
    shell:
        TRAIN


rule puzzle_sound:
    """Compare test sounds with what their grids decode to, beside codes that are not learned."""
    input:
        **SETTINGS.compared_with("sound"),
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
        **GPU_JOB,
    params:
        **evaluation("puzzle_sound"),
    message:
        "Decoding the puzzle codes of test sounds"
    shell:
        EVALUATE


use rule puzzle_sound as puzzle_sight with:
    """Compare test pictures with what their grids decode to, beside codes that are not learned."""
    input:
        **SETTINGS.compared_with("sight"),
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


rule collect_texts:
    """Collect the texts that prime and judge the text codes, from what is installed here."""
    output:
        manifest="results/puzzle/texts/manifest.json",
        texts="results/puzzle/texts/texts.safetensors",
    log:
        "logs/collect_texts.log",
    benchmark:
        "results/benchmarks/collect_texts.tsv"
    threads: 1
    resources:
        mem_mb=4000,
        runtime=30,
    params:
        **training("collect_texts", section("puzzle.text.corpus")),
    message:
        "Collecting texts"
    shell:
        "sensorium --log {log} {params.program} --config {params.config:q} --output {params.folder}"


rule train_puzzle_text:
    """Learn words and prime the text codes: counts, and what each adds."""
    input:
        texts="results/puzzle/texts/manifest.json",
    output:
        manifest="results/puzzle/text/manifest.json",
        model="results/puzzle/text/model.safetensors",
    log:
        "logs/train_puzzle_text.log",
    benchmark:
        "results/benchmarks/train_puzzle_text.tsv"
    threads: 1
    resources:
        mem_mb=8000,
        runtime=60,
    params:
        **training("train_puzzle_text", section("puzzle.text")),
    message:
        "Priming the text codes"
    shell:
        "sensorium --log {log} {params.program} --config {params.config:q} {params.inputs} --output {params.folder} "
        "--threads {threads}"


rule puzzle_text:
    """Compare the text codes with other compressors on texts that primed nothing, and damage their grids."""
    input:
        **SETTINGS.compared_with("text"),
        texts="results/puzzle/texts/manifest.json",
        codes="results/puzzle/text/manifest.json",
    output:
        result="results/eval/puzzle_text.json",
        figure=in_report("results/figures/puzzle_text.png", "Puzzle"),
    log:
        "logs/puzzle_text.log",
    benchmark:
        "results/benchmarks/puzzle_text.tsv"
    threads: 1
    resources:
        mem_mb=8000,
        runtime=60,
    params:
        **evaluation("puzzle_text"),
    message:
        "Judging the text codes"
    shell:
        EVALUATE


rule train_puzzle_joint:
    """Train the common space: one model of the grids of sound, sight and text of the same moments."""
    input:
        **THREE_CODES,
        data=DATA,
    output:
        manifest="results/puzzle/joint/manifest.json",
        model="results/puzzle/joint/model.safetensors",
    log:
        "logs/train_puzzle_joint.log",
    benchmark:
        "results/benchmarks/train_puzzle_joint.tsv"
    threads: 8
    resources:
        **GPU_TRAINING,
    params:
        **training("train_puzzle_joint", section("puzzle.joint")),
    message:
        "Training the common space of puzzle codes"
    shell:
        TRAIN


rule puzzle_common:
    """Count the bits that a grid takes with and without the other two of its moment."""
    input:
        **THREE_CODES,
        data=DATA,
        joint="results/puzzle/joint/manifest.json",
    output:
        result="results/eval/puzzle_common.json",
        figure=in_report("results/figures/puzzle_common.png", "Puzzle"),
    log:
        "logs/puzzle_common.log",
    benchmark:
        "results/benchmarks/puzzle_common.tsv"
    threads: 8
    resources:
        **GPU_JOB,
    params:
        **evaluation("puzzle_common"),
    message:
        "Counting what each sense tells of the others"
    shell:
        EVALUATE


rule train_puzzle_next:
    """Train discrete dynamics: the next grid of sight from the last two and the action."""
    input:
        data=DATA,
        sight=THREE_CODES["sight"],
    output:
        manifest="results/puzzle/next/manifest.json",
        model="results/puzzle/next/model.safetensors",
    log:
        "logs/train_puzzle_next.log",
    benchmark:
        "results/benchmarks/train_puzzle_next.tsv"
    threads: 8
    resources:
        **GPU_TRAINING,
    params:
        **training("train_puzzle_next", section("puzzle.next")),
    message:
        "Training the dynamics of puzzle codes"
    shell:
        TRAIN


use rule puzzle_common as puzzle_next with:
    """Count the bits that the next grid of sight takes."""
    input:
        data=DATA,
        sight=THREE_CODES["sight"],
        next="results/puzzle/next/manifest.json",
    output:
        result="results/eval/puzzle_next.json",
        figure=in_report("results/figures/puzzle_next.png", "Puzzle"),
    log:
        "logs/puzzle_next.log",
    benchmark:
        "results/benchmarks/puzzle_next.tsv"
    params:
        **evaluation("puzzle_next"),
    message:
        "Predicting grids of sight"
