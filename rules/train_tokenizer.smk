"""Tokenizers: each frame, or each frame's sound, to a few bounded tokens, and back."""


rule train_tokenizer:
    """Train the tokenizer of one stream by reconstruction."""
    input:
        data=DATA,
        lpips=lpips_weights,
    output:
        manifest="results/tokenizers/{stream}/manifest.json",
        model="results/tokenizers/{stream}/model.safetensors",
    log:
        "logs/train_tokenizer/{stream}.log",
    benchmark:
        "results/benchmarks/train_tokenizer/{stream}.tsv"
    threads: 8
    resources:
        gpu=1,
        mem_mb=8000,
        runtime=240,
    params:
        config=tokenizer_section,
        revision=revision("train_tokenizer"),
        folder=subpath(output.manifest, parent=True),
    message:
        "Training the {wildcards.stream} tokenizer"
    shell:
        "sensorium --log {log} --ranks {resources.gpu} train-tokenizer {wildcards.stream} "
        "--config {params.config:q} --data {input.data} "
        "--output {params.folder} --threads {threads} --max-minutes {resources.runtime}"
