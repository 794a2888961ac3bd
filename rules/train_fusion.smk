"""Fusion: vision, sound and body to one world state over time."""


rule train_fusion:
    """Train the world state on frozen encoders: predict what comes, align what is seen with what is heard."""
    input:
        data=DATA,
        vision="results/encoders/vision/manifest.json",
        audio="results/encoders/audio/manifest.json",
    output:
        manifest="results/fusion/manifest.json",
        model="results/fusion/model.safetensors",
    log:
        "logs/train_fusion.log",
    benchmark:
        "results/benchmarks/train_fusion.tsv"
    threads: 8
    resources:
        gpu=1,
        mem_mb=8000,
        runtime=240,
    params:
        config=section("fusion"),
        revision=revision("train_fusion"),
        folder=subpath(output.manifest, parent=True),
    message:
        "Training the fusion of vision, sound and body"
    shell:
        "sensorium --log {log} --ranks {resources.gpu} train-fusion "
        "--config {params.config:q} --data {input.data} --vision {input.vision} "
        "--audio {input.audio} --output {params.folder} --threads {threads} --max-minutes {resources.runtime}"
