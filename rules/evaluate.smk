"""Evaluations: each number with its interval, its floor and its ceiling; results/eval.json joins them."""


rule probe:
    """Read labels from one frozen encoder: linear and few-shot probes."""
    input:
        data=probed_for,
        encoder="results/encoders/{modality}/manifest.json",
    output:
        result="results/eval/probe_{modality}.json",
        figure=report(
            "results/figures/probe_{modality}.png",
            caption="../workflow/report/probe.rst",
            category="Representation",
            labels={"evaluation": "probe", "sense": "{modality}"},
        ),
    log:
        "logs/probe/{modality}.log",
    benchmark:
        "results/benchmarks/probe/{modality}.tsv"
    threads: 8
    resources:
        gpu=1,
        mem_mb=8000,
        runtime=60,
    params:
        config=section("evaluations.probe"),
        revision=revision("probe"),
    message:
        "Probing the {wildcards.modality} encoder"
    shell:
        "sensorium --log {log} probe {wildcards.modality} --config {params.config:q} --data {input.data} "
        "--encoder {input.encoder} --output {output.result} --figure {output.figure} --threads {threads}"


rule retrieval:
    """Find the sound of a picture and the picture of a sound."""
    input:
        data=DATA,
        vision="results/encoders/vision/manifest.json",
        audio="results/encoders/audio/manifest.json",
        fusion="results/fusion/manifest.json",
    output:
        result="results/eval/retrieval.json",
        figure=report(
            "results/figures/retrieval.png",
            caption="../workflow/report/retrieval.rst",
            category="Representation",
            labels={"evaluation": "retrieval", "sense": "vision and audio"},
        ),
    log:
        "logs/retrieval.log",
    benchmark:
        "results/benchmarks/retrieval.tsv"
    threads: 8
    resources:
        gpu=1,
        mem_mb=8000,
        runtime=60,
    params:
        config=section("evaluations.retrieval"),
        revision=revision("retrieval"),
    message:
        "Retrieving sounds by images and images by sounds"
    shell:
        "sensorium --log {log} retrieval --config {params.config:q} --data {input.data} --vision {input.vision} "
        "--audio {input.audio} --fusion {input.fusion} --output {output.result} --figure {output.figure} "
        "--threads {threads}"


rule world_state:
    """Read the truth of the world from the world state."""
    input:
        data=DATA,
        vision="results/encoders/vision/manifest.json",
        audio="results/encoders/audio/manifest.json",
        fusion="results/fusion/manifest.json",
    output:
        result="results/eval/world_state.json",
        figure=report(
            "results/figures/world_state.png",
            caption="../workflow/report/world_state.rst",
            category="Representation",
            labels={"evaluation": "world state", "sense": "all"},
        ),
    log:
        "logs/world_state.log",
    benchmark:
        "results/benchmarks/world_state.tsv"
    threads: 8
    resources:
        gpu=1,
        mem_mb=8000,
        runtime=60,
    params:
        config=section("evaluations.world_state"),
        revision=revision("world_state"),
    message:
        "Reading the truth from the world state"
    shell:
        "sensorium --log {log} world-state --config {params.config:q} --data {input.data} --vision {input.vision} "
        "--audio {input.audio} --fusion {input.fusion} --output {output.result} --figure {output.figure} "
        "--threads {threads}"


rule reconstruction:
    """Compare test frames with what the tokenizer makes of them."""
    input:
        data=DATA,
        tokenizer="results/tokenizers/video/manifest.json",
    output:
        result="results/eval/reconstruction.json",
        figure=report(
            "results/figures/reconstruction.png",
            caption="../workflow/report/reconstruction.rst",
            category="Generation",
            labels={"evaluation": "reconstruction", "kind": "frames"},
        ),
    log:
        "logs/reconstruction.log",
    benchmark:
        "results/benchmarks/reconstruction.tsv"
    threads: 8
    resources:
        gpu=1,
        mem_mb=8000,
        runtime=60,
    params:
        config=section("evaluations.reconstruction"),
        revision=revision("reconstruction"),
    message:
        "Reconstructing test frames"
    shell:
        "sensorium --log {log} reconstruction --config {params.config:q} --data {input.data} "
        "--tokenizer {input.tokenizer} --output {output.result} --figure {output.figure} --threads {threads}"


rule sound_reconstruction:
    """Compare test sounds with what the tokenizer makes of them."""
    input:
        data=DATA,
        tokenizer="results/tokenizers/audio/manifest.json",
    output:
        result="results/eval/sound_reconstruction.json",
        figure=report(
            "results/figures/sound_reconstruction.png",
            caption="../workflow/report/sound_reconstruction.rst",
            category="Generation",
            labels={"evaluation": "sound reconstruction", "kind": "spectrograms"},
        ),
        sound=report(
            "results/figures/sound_reconstruction.wav",
            caption="../workflow/report/sound_reconstruction_wav.rst",
            category="Generation",
            labels={"evaluation": "sound reconstruction", "kind": "sound"},
        ),
    log:
        "logs/sound_reconstruction.log",
    benchmark:
        "results/benchmarks/sound_reconstruction.tsv"
    threads: 8
    resources:
        gpu=1,
        mem_mb=8000,
        runtime=60,
    params:
        config=section("evaluations.sound_reconstruction"),
        revision=revision("sound_reconstruction"),
    message:
        "Reconstructing test sounds"
    shell:
        "sensorium --log {log} sound-reconstruction --config {params.config:q} --data {input.data} "
        "--tokenizer {input.tokenizer} --output {output.result} --figure {output.figure} --sound {output.sound} "
        "--threads {threads}"


rule agent_return:
    """Play in the real environment: the agent, the cloned policy it started from, and others."""
    input:
        data=DATA,
        latents="results/latents/video/manifest.json",
        sound=sound_latents,
        hearing=sound_tokenizer,
        tokenizer="results/tokenizers/video/manifest.json",
        clone="results/clone/manifest.json",
        agent="results/agent/manifest.json",
    output:
        result="results/eval/agent_return.json",
        figure=report(
            "results/figures/agent_return.png",
            caption="../workflow/report/agent_return.rst",
            category="Agent",
            labels={"evaluation": "agent return", "kind": "rewards"},
        ),
    log:
        "logs/agent_return.log",
    benchmark:
        "results/benchmarks/agent_return.tsv"
    threads: 8
    resources:
        gpu=1,
        mem_mb=8000,
        runtime=60,
    params:
        config=section("evaluations.agent_return"),
        revision=revision("agent_return"),
    message:
        "Playing in the real environment"
    shell:
        "sensorium --log {log} agent-return --config {params.config:q} --data {input.data} --latents {input.latents} "
        "--sound {input.sound} --hearing {input.hearing} --tokenizer {input.tokenizer} --clone {input.clone} "
        "--agent {input.agent} --output {output.result} --figure {output.figure} --threads {threads}"


rule summary:
    """Join the results of the evaluations that are switched on."""
    input:
        evaluations=evaluation_results,
    output:
        summary=report(
            "results/eval.json",
            caption="../workflow/report/summary.rst",
            category="Summary",
            labels={"table": "every metric"},
        ),
    log:
        "logs/summary.log",
    benchmark:
        "results/benchmarks/summary.tsv"
    threads: 1
    resources:
        mem_mb=2000,
        runtime=10,
    params:
        revision=revision("summary"),
    message:
        "Joining the evaluations"
    shell:
        "sensorium --log {log} summary --evaluations {input.evaluations} --output {output.summary}"
