"""The agent: cloned from recordings within the dynamics, then trained in dreams."""


rule train_clone:
    """Predict the recorded actions and rewards from agent tokens in the dynamics."""
    input:
        "results/dynamics/model.safetensors",
        **LATENTS,
        tokenizer=TOKENIZER,
        dynamics="results/dynamics/manifest.json",
    output:
        manifest="results/clone/manifest.json",
        model="results/clone/model.safetensors",
    log:
        "logs/train_clone.log",
    benchmark:
        "results/benchmarks/train_clone.tsv"
    threads: 8
    resources:
        **GPU_TRAINING,
    params:
        **training("train_clone", section("agent.cloning")),
    message:
        "Cloning the recorded player"
    shell:
        TRAIN


rule train_agent:
    """Train the cloned policy in dreams by reinforcement learning."""
    input:
        "results/clone/model.safetensors",
        **LATENTS,
        clone="results/clone/manifest.json",
    output:
        manifest="results/agent/manifest.json",
        model="results/agent/model.safetensors",
    log:
        "logs/train_agent.log",
    benchmark:
        "results/benchmarks/train_agent.tsv"
    threads: 8
    resources:
        **GPU_TRAINING,
    params:
        **training("train_agent", section("agent.imagination")),
    message:
        "Training the agent in dreams"
    shell:
        TRAIN


rule agent_return:
    """Play in the real environment: the agent, the cloned policy and baselines."""
    input:
        data=DATA,
        latents=LATENTS["latents"],
        sound=of_sound("latents"),
        hearing=of_sound("tokenizers"),
        tokenizer=TOKENIZER,
        clone="results/clone/manifest.json",
        agent="results/agent/manifest.json",
    output:
        result="results/eval/agent_return.json",
        figure=in_report("results/figures/agent_return.png", "Agent", kind="rewards"),
    log:
        "logs/agent_return.log",
    benchmark:
        "results/benchmarks/agent_return.tsv"
    threads: 8
    resources:
        **GPU_JOB,
    params:
        **evaluation("agent_return"),
    message:
        "Playing in the real environment"
    shell:
        EVALUATE
