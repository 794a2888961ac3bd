"""Tokenizer: each frame to a small grid of bounded tokens, and back."""


rule train_tokenizer:
    """Train the video tokenizer by reconstruction."""
    input:
        data=DATA,
    output:
        manifest="results/tokenizers/video/manifest.json",
        model="results/tokenizers/video/model.safetensors",
    log:
        "logs/train_tokenizer/video.log",
    benchmark:
        "results/benchmarks/train_tokenizer/video.tsv"
    threads: 8
    resources:
        gpu=1,
        mem_mb=8000,
        runtime=240,
    params:
        config=section("tokenizers.video"),
        revision=revision("train_tokenizer"),
        folder=subpath(output.manifest, parent=True),
    message:
        "Training the video tokenizer"
    shell:
        "sensorium --log {log} --ranks {resources.gpu} train-tokenizer video "
        "--config {params.config:q} --data {input.data} "
        "--output {params.folder} --threads {threads} --max-minutes {resources.runtime}"
