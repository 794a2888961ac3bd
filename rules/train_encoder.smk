"""Encoders: one frame, or one window of sound, to an embedding, learned by contrast."""


rule train_encoder:
    """Train the encoder of one sense. Its checkpoints survive under runs/, so a stopped run goes on."""
    input:
        data=learned_from,
    output:
        manifest="results/encoders/{modality}/manifest.json",
        model="results/encoders/{modality}/model.safetensors",
    log:
        "logs/train_encoder/{modality}.log",
    benchmark:
        "results/benchmarks/train_encoder/{modality}.tsv"
    threads: 8
    resources:
        gpu=1,
        mem_mb=8000,
        runtime=240,
    params:
        config=encoder_section,
        revision=revision("train_encoder"),
        folder=subpath(output.manifest, parent=True),
    message:
        "Training the {wildcards.modality} encoder"
    shell:
        "sensorium --log {log} --ranks {resources.gpu} train-encoder {wildcards.modality} "
        "--config {params.config:q} --data {input.data} "
        "--output {params.folder} --threads {threads} --max-minutes {resources.runtime}"
