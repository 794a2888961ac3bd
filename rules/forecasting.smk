"""Forecasting: the next world states, steered by actions, and their uncertainty."""


rule train_state_dynamics:
    """Train a small network to predict world states many frames ahead."""
    input:
        **WORLD_STATE,
    output:
        manifest="results/state_dynamics/manifest.json",
        model="results/state_dynamics/model.safetensors",
    log:
        "logs/train_state_dynamics.log",
    benchmark:
        "results/benchmarks/train_state_dynamics.tsv"
    threads: 8
    resources:
        **GPU_JOB,
        **SPEED,
    params:
        **training("train_state_dynamics", section("state_dynamics")),
    message:
        "Training the state dynamics"
    shell:
        TRAIN


rule motion:
    """Predict where bodies will be and compare with where they went."""
    input:
        **WORLD_STATE,
        state_dynamics="results/state_dynamics/manifest.json",
    output:
        result="results/eval/motion.json",
        figure=in_report("results/figures/motion.png", "Representation", sense="all"),
    log:
        "logs/motion.log",
    benchmark:
        "results/benchmarks/motion.tsv"
    threads: 8
    resources:
        **GPU_JOB,
    params:
        **evaluation("motion"),
    message:
        "Predicting where bodies will be"
    shell:
        EVALUATE


use rule motion as causal with:
    """Change the actions in the forecast and in the simulator, and compare the effects."""
    output:
        result="results/eval/causal.json",
        figure=in_report("results/figures/causal.png", "Representation", sense="all"),
    log:
        "logs/causal.log",
    benchmark:
        "results/benchmarks/causal.tsv"
    params:
        **evaluation("causal"),
    message:
        "Predicting what other actions would change"


use rule motion as fields with:
    """Compare fields of bodies, read from world states and their forecasts, with the truth."""
    output:
        result="results/eval/fields.json",
        figure=in_report("results/figures/fields.png", "Representation", sense="all"),
    log:
        "logs/fields.log",
    benchmark:
        "results/benchmarks/fields.tsv"
    params:
        **evaluation("fields"),
    message:
        "Reading where bodies are and what moves"
