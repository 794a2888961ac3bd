"""The agent: cloned from recordings within the dynamics, then trained in dreams."""


rule train_clone:
    """Tell the recorded actions and rewards from agent tokens in the dynamics."""
    input:
        latents="results/latents/video/manifest.json",
        sound=sound_latents,
        tokenizer="results/tokenizers/video/manifest.json",
        dynamics="results/dynamics/manifest.json",
        weights="results/dynamics/model.safetensors",
    output:
        manifest="results/clone/manifest.json",
        model="results/clone/model.safetensors",
    log:
        "logs/train_clone.log",
    benchmark:
        "results/benchmarks/train_clone.tsv"
    threads: 8
    resources:
        gpu=1,
        mem_mb=8000,
        runtime=240,
    params:
        config=section("agent.cloning"),
        revision=revision("train_clone"),
        folder=subpath(output.manifest, parent=True),
    message:
        "Cloning the recorded player"
    shell:
        "sensorium --log {log} --ranks {resources.gpu} train-clone "
        "--config {params.config:q} --latents {input.latents} --sound {input.sound} "
        "--tokenizer {input.tokenizer} --dynamics {input.dynamics} --output {params.folder} --threads {threads} "
        "--max-minutes {resources.runtime}"


rule train_agent:
    """Act in dreams, and do more often what earns more than was expected."""
    input:
        latents="results/latents/video/manifest.json",
        sound=sound_latents,
        clone="results/clone/manifest.json",
        weights="results/clone/model.safetensors",
    output:
        manifest="results/agent/manifest.json",
        model="results/agent/model.safetensors",
    log:
        "logs/train_agent.log",
    benchmark:
        "results/benchmarks/train_agent.tsv"
    threads: 8
    resources:
        gpu=1,
        mem_mb=8000,
        runtime=240,
    params:
        config=section("agent.imagination"),
        revision=revision("train_agent"),
        folder=subpath(output.manifest, parent=True),
    message:
        "Training the agent in dreams"
    shell:
        "sensorium --log {log} --ranks {resources.gpu} train-agent "
        "--config {params.config:q} --latents {input.latents} --sound {input.sound} "
        "--clone {input.clone} --output {params.folder} --threads {threads} --max-minutes {resources.runtime}"
