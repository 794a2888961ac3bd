"""Recordings: video, sound, body and actions on one clock, with the simulator's truth where there is one."""


rule collect:
    """Record one shard of a source."""
    input:
        files=source_files,
    output:
        shard="results/data/{set}/shard-{shard}.safetensors",
        recordings="results/data/{set}/shard-{shard}.json",
    log:
        "logs/collect/{set}-{shard}.log",
    benchmark:
        "results/benchmarks/collect/{set}-{shard}.tsv"
    threads: 1
    resources:
        mem_mb=memory,
        runtime=120,
    params:
        config=set_section,
        revision=set_revision,
    message:
        "Recording shard {wildcards.shard} of {wildcards.set}"
    shell:
        "sensorium --log {log} collect --config {params.config:q} --shard {wildcards.shard} --output {output.shard}"


rule index_recordings:
    """Join the shards of a set: splits by recording, rates, digests and the quarantine list."""
    input:
        shards=shards("safetensors"),
        recordings=shards("json"),
    output:
        manifest="results/data/{set}/manifest.json",
    log:
        "logs/index_recordings/{set}.log",
    benchmark:
        "results/benchmarks/index_recordings/{set}.tsv"
    threads: 1
    resources:
        mem_mb=memory,
        runtime=60,
    params:
        config=set_section,
        revision=revision("index"),
    message:
        "Indexing the recordings of {wildcards.set}"
    shell:
        "sensorium --log {log} index --config {params.config:q} --shards {input.recordings} --output {output.manifest}"


rule show_recordings:
    """Draw some recordings of the world: pictures, sounds and how often each action is taken."""
    input:
        manifest=DATA,
    output:
        figure=in_report("results/figures/recordings.png", "Recordings", kind="recordings"),
    log:
        "logs/show_recordings.log",
    benchmark:
        "results/benchmarks/show_recordings.tsv"
    threads: 1
    resources:
        mem_mb=2000,
        runtime=10,
    params:
        revision=revision("inspect"),
    message:
        "Drawing some recordings"
    shell:
        "sensorium --log {log} inspect {input.manifest} --figure {output.figure}"
