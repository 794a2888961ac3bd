"""Evaluations of dreams: what the dynamics tell of the future, beside what came of it."""


rule rollout:
    """Dream on from true beginnings and compare with what happened."""
    input:
        data=DATA,
        latents="results/latents/video/manifest.json",
        sound=sound_latents,
        tokenizer="results/tokenizers/video/manifest.json",
        dynamics="results/dynamics/manifest.json",
    output:
        result="results/eval/rollout.json",
        figure=report(
            "results/figures/rollout.png",
            caption="../workflow/report/rollout.rst",
            category="Generation",
            labels={"evaluation": "rollout", "kind": "frames"},
        ),
        video=report(
            "results/figures/rollout.mp4",
            caption="../workflow/report/rollout_video.rst",
            category="Generation",
            labels={"evaluation": "rollout", "kind": "video"},
        ),
    log:
        "logs/rollout.log",
    benchmark:
        "results/benchmarks/rollout.tsv"
    threads: 8
    resources:
        gpu=1,
        mem_mb=8000,
        runtime=60,
    params:
        config=section("evaluations.rollout"),
        revision=revision("rollout"),
    message:
        "Dreaming beside the truth"
    shell:
        "sensorium --log {log} rollout --config {params.config:q} --data {input.data} --latents {input.latents} "
        "--sound {input.sound} --tokenizer {input.tokenizer} --dynamics {input.dynamics} --output {output.result} "
        "--figure {output.figure} --video {output.video} --threads {threads}"


rule uncertainty:
    """Dream several times from one beginning: does the spread tell the error?"""
    input:
        data=DATA,
        latents="results/latents/video/manifest.json",
        sound=sound_latents,
        tokenizer="results/tokenizers/video/manifest.json",
        dynamics="results/dynamics/manifest.json",
    output:
        result="results/eval/uncertainty.json",
        figure=report(
            "results/figures/uncertainty.png",
            caption="../workflow/report/uncertainty.rst",
            category="Generation",
            labels={"evaluation": "uncertainty", "kind": "calibration"},
        ),
    log:
        "logs/uncertainty.log",
    benchmark:
        "results/benchmarks/uncertainty.tsv"
    threads: 8
    resources:
        gpu=1,
        mem_mb=8000,
        runtime=60,
    params:
        config=section("evaluations.uncertainty"),
        revision=revision("uncertainty"),
    message:
        "Asking the dreams how sure they are"
    shell:
        "sensorium --log {log} uncertainty --config {params.config:q} --data {input.data} --latents {input.latents} "
        "--sound {input.sound} --tokenizer {input.tokenizer} --dynamics {input.dynamics} --output {output.result} "
        "--figure {output.figure} --threads {threads}"


rule counterfactual:
    """Change the actions, in the dream and in the simulator: does the same change?"""
    input:
        data=DATA,
        latents="results/latents/video/manifest.json",
        sound=sound_latents,
        tokenizer="results/tokenizers/video/manifest.json",
        dynamics="results/dynamics/manifest.json",
    output:
        result="results/eval/counterfactual.json",
        figure=report(
            "results/figures/counterfactual.png",
            caption="../workflow/report/counterfactual.rst",
            category="Generation",
            labels={"evaluation": "counterfactual", "kind": "frames"},
        ),
    log:
        "logs/counterfactual.log",
    benchmark:
        "results/benchmarks/counterfactual.tsv"
    threads: 8
    resources:
        gpu=1,
        mem_mb=8000,
        runtime=60,
    params:
        config=section("evaluations.counterfactual"),
        revision=revision("counterfactual"),
    message:
        "Dreaming of what would have happened"
    shell:
        "sensorium --log {log} counterfactual --config {params.config:q} --data {input.data} --latents {input.latents} "
        "--sound {input.sound} --tokenizer {input.tokenizer} --dynamics {input.dynamics} --output {output.result} "
        "--figure {output.figure} --threads {threads}"


rule drift:
    """Dream on for long: does it stay like the recordings?"""
    input:
        data=DATA,
        latents="results/latents/video/manifest.json",
        sound=sound_latents,
        tokenizer="results/tokenizers/video/manifest.json",
        dynamics="results/dynamics/manifest.json",
        encoder=looking_encoder,
    output:
        result="results/eval/drift.json",
        figure=report(
            "results/figures/drift.png",
            caption="../workflow/report/drift.rst",
            category="Generation",
            labels={"evaluation": "drift", "kind": "distance"},
        ),
    log:
        "logs/drift.log",
    benchmark:
        "results/benchmarks/drift.tsv"
    threads: 8
    resources:
        gpu=1,
        mem_mb=8000,
        runtime=60,
    params:
        config=section("evaluations.drift"),
        revision=revision("drift"),
    message:
        "Dreaming for long"
    shell:
        "sensorium --log {log} drift --config {params.config:q} --data {input.data} --latents {input.latents} "
        "--sound {input.sound} --tokenizer {input.tokenizer} --dynamics {input.dynamics} --encoder {input.encoder} "
        "--output {output.result} --figure {output.figure} --threads {threads}"
