"""Latents: every frame tokenized once, so the dynamics never run the tokenizer."""


rule encode_latents:
    """Encode one shard of recordings."""
    input:
        data=DATA,
        tokenizer="results/tokenizers/video/manifest.json",
        model="results/tokenizers/video/model.safetensors",
    output:
        shard="results/latents/video/shard-{shard}.safetensors",
        recordings="results/latents/video/shard-{shard}.json",
    log:
        "logs/encode_latents/{shard}.log",
    benchmark:
        "results/benchmarks/encode_latents/{shard}.tsv"
    threads: 4
    resources:
        gpu=1,
        mem_mb=8000,
        runtime=60,
    params:
        config=section("latents"),
        revision=revision("encode_latents"),
    message:
        "Encoding the latents of shard {wildcards.shard}"
    shell:
        "sensorium --log {log} encode-latents --config {params.config:q} --data {input.data} "
        "--tokenizer {input.tokenizer} --shard {wildcards.shard} --output {output.shard} --threads {threads}"


rule index_latents:
    """Join the latents under the splits of the recordings they came from."""
    input:
        data=DATA,
        shards=expand("results/latents/video/shard-{shard}.safetensors", shard=SHARDS),
        recordings=expand("results/latents/video/shard-{shard}.json", shard=SHARDS),
    output:
        manifest="results/latents/video/manifest.json",
    log:
        "logs/index_latents.log",
    benchmark:
        "results/benchmarks/index_latents.tsv"
    threads: 1
    resources:
        mem_mb=4000,
        runtime=60,
    params:
        config=section("latents"),
        revision=revision("index"),
    message:
        "Indexing the latents"
    shell:
        "sensorium --log {log} index --config {params.config:q} --shards {input.recordings} --like {input.data} "
        "--output {output.manifest}"
