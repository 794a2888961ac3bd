"""Latents: every frame and its sound tokenized once, so the dynamics never run a tokenizer."""


rule encode_latents:
    """Encode one stream of one shard of recordings."""
    input:
        data=DATA,
        tokenizer="results/tokenizers/{stream}/manifest.json",
        model="results/tokenizers/{stream}/model.safetensors",
    output:
        shard="results/latents/{stream}/shard-{shard}.safetensors",
        recordings="results/latents/{stream}/shard-{shard}.json",
    log:
        "logs/encode_latents/{stream}-{shard}.log",
    benchmark:
        "results/benchmarks/encode_latents/{stream}-{shard}.tsv"
    threads: 4
    resources:
        gpu=1,
        mem_mb=8000,
        runtime=60,
    params:
        config=section("latents"),
        revision=revision("encode_latents"),
    message:
        "Encoding the {wildcards.stream} latents of shard {wildcards.shard}"
    shell:
        "sensorium --log {log} encode-latents {wildcards.stream} --config {params.config:q} "
        "--data {input.data} --tokenizer {input.tokenizer} --shard {wildcards.shard} --output {output.shard} "
        "--threads {threads}"


rule index_latents:
    """Join the latents under the splits of the recordings they came from."""
    input:
        data=DATA,
        shards=expand("results/latents/{{stream}}/shard-{shard}.safetensors", shard=SHARDS),
        recordings=expand("results/latents/{{stream}}/shard-{shard}.json", shard=SHARDS),
    output:
        manifest="results/latents/{stream}/manifest.json",
    log:
        "logs/index_latents/{stream}.log",
    benchmark:
        "results/benchmarks/index_latents/{stream}.tsv"
    threads: 1
    resources:
        mem_mb=4000,
        runtime=60,
    params:
        config=section("latents"),
        revision=revision("index"),
    message:
        "Indexing the {wildcards.stream} latents"
    shell:
        "sensorium --log {log} index --config {params.config:q} --shards {input.recordings} --like {input.data} "
        "--output {output.manifest}"
