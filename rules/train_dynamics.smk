"""Dynamics: dream the next frames' tokens, steered by actions."""


rule train_dynamics:
    """Train the token dynamics by shortcut forcing."""
    input:
        latents="results/latents/video/manifest.json",
        sound=sound_latents,
        tokenizer="results/tokenizers/video/manifest.json",
    output:
        manifest="results/dynamics/manifest.json",
        model="results/dynamics/model.safetensors",
    log:
        "logs/train_dynamics.log",
    benchmark:
        "results/benchmarks/train_dynamics.tsv"
    threads: 8
    resources:
        gpu=1,
        mem_mb=8000,
        runtime=240,
    params:
        config=section("dynamics"),
        revision=revision("train_dynamics"),
        folder=subpath(output.manifest, parent=True),
    message:
        "Training the dynamics"
    shell:
        "sensorium --log {log} --ranks {resources.gpu} train-dynamics "
        "--config {params.config:q} --latents {input.latents} "
        "--tokenizer {input.tokenizer} --sound {input.sound} "
        "--output {params.folder} --threads {threads} --max-minutes {resources.runtime}"
