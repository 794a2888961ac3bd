"""State dynamics: the next world states, steered by actions, and how sure that is."""


rule train_state_dynamics:
    """Train a small network to foretell world states, many frames ahead."""
    input:
        data=DATA,
        vision="results/encoders/vision/manifest.json",
        audio="results/encoders/audio/manifest.json",
        fusion="results/fusion/manifest.json",
    output:
        manifest="results/state_dynamics/manifest.json",
        model="results/state_dynamics/model.safetensors",
    log:
        "logs/train_state_dynamics.log",
    benchmark:
        "results/benchmarks/train_state_dynamics.tsv"
    threads: 8
    resources:
        gpu=1,
        mem_mb=8000,
        runtime=60,
    params:
        config=section("state_dynamics"),
        revision=revision("train_state_dynamics"),
        folder=subpath(output.manifest, parent=True),
    message:
        "Training the state dynamics"
    shell:
        "sensorium --log {log} --ranks {resources.gpu} train-state-dynamics "
        "--config {params.config:q} --data {input.data} --vision {input.vision} "
        "--audio {input.audio} --fusion {input.fusion} "
        "--output {params.folder} --threads {threads} --max-minutes {resources.runtime}"
