"""Recordings: what is seen, heard, felt and done, with the truth behind it."""


rule collect:
    """Record one shard of a source; a shard depends on the seed and its number alone."""
    input:
        files=source_files,
    output:
        shard="results/data/{source}/shard-{shard}.safetensors",
        recordings="results/data/{source}/shard-{shard}.json",
    log:
        "logs/collect/{source}-{shard}.log",
    benchmark:
        "results/benchmarks/collect/{source}-{shard}.tsv"
    threads: 1
    resources:
        mem_mb=4000,
        runtime=120,
    params:
        config=section("data"),
        revision=revision("collect"),
    message:
        "Recording shard {wildcards.shard} of {wildcards.source}"
    shell:
        "sensorium --log {log} collect --config {params.config:q} --shard {wildcards.shard} --output {output.shard}"


rule index_recordings:
    """Join the shards: splits by recording, rates, digests, and what had to be kept out."""
    input:
        shards=expand("results/data/{{source}}/shard-{shard}.safetensors", shard=SHARDS),
        recordings=expand("results/data/{{source}}/shard-{shard}.json", shard=SHARDS),
    output:
        manifest="results/data/{source}/manifest.json",
    log:
        "logs/index_recordings/{source}.log",
    benchmark:
        "results/benchmarks/index_recordings/{source}.tsv"
    threads: 1
    resources:
        mem_mb=4000,
        runtime=60,
    params:
        config=section("data"),
        revision=revision("index"),
    message:
        "Indexing the recordings of {wildcards.source}"
    shell:
        "sensorium --log {log} index --config {params.config:q} --shards {input.recordings} --output {output.manifest}"
