"""Perception: encoders of single senses, their fusion into a world state, and both fine-tuned together."""


rule train_encoder:
    """Train the encoder of one sense by contrast."""
    input:
        data=own_or_world("{modality}"),
    output:
        manifest="results/encoders/{modality}/manifest.json",
        model="results/encoders/{modality}/model.safetensors",
    log:
        "logs/train_encoder/{modality}.log",
    benchmark:
        "results/benchmarks/train_encoder/{modality}.tsv"
    threads: 8
    resources:
        **GPU_TRAINING,
    params:
        **training("train_encoder", section("encoders.{modality}")),
    message:
        "Training the {wildcards.modality} encoder"
    shell:
        TRAIN


rule probe:
    """Predict labels from one frozen encoder with linear and few-shot probes."""
    input:
        data=probed_for,
        encoder="results/encoders/{modality}/manifest.json",
    output:
        result="results/eval/probe_{modality}.json",
        figure=in_report(
            "results/figures/probe_{modality}.png", "Representation", "probe", evaluation="probe", sense="{modality}"
        ),
    log:
        "logs/probe/{modality}.log",
    benchmark:
        "results/benchmarks/probe/{modality}.tsv"
    threads: 8
    resources:
        **GPU_JOB,
    params:
        **evaluation("probe"),
    message:
        "Probing the {wildcards.modality} encoder"
    shell:
        EVALUATE


rule properties:
    """Predict the properties of bodies from their impacts, from each sense and from all."""
    input:
        **ENCODERS,
    output:
        result="results/eval/properties.json",
        figure=in_report("results/figures/properties.png", "Representation", sense="each and all"),
    log:
        "logs/properties.log",
    benchmark:
        "results/benchmarks/properties.tsv"
    threads: 8
    resources:
        **GPU_JOB,
    params:
        **evaluation("properties"),
    message:
        "Predicting properties of bodies"
    shell:
        EVALUATE


use rule properties as zero_shot with:
    """Classify unseen combinations of classes by their attributes."""
    output:
        result="results/eval/zero_shot.json",
        figure=in_report(
            "results/figures/zero_shot.png", "Representation", evaluation="zero-shot", sense="sight and hearing"
        ),
    log:
        "logs/zero_shot.log",
    benchmark:
        "results/benchmarks/zero_shot.tsv"
    params:
        **evaluation("zero_shot"),
    message:
        "Classifying unseen combinations"


rule train_fusion:
    """Train the world state on frozen encoders: predict the next frames, align sight and hearing."""
    input:
        **ENCODERS,
    output:
        manifest="results/fusion/manifest.json",
        model="results/fusion/model.safetensors",
    log:
        "logs/train_fusion.log",
    benchmark:
        "results/benchmarks/train_fusion.tsv"
    threads: 8
    resources:
        **GPU_TRAINING,
    params:
        **training("train_fusion", section("fusion")),
    message:
        "Training the fusion of vision, sound and body"
    shell:
        TRAIN


rule retrieval:
    """Find the sound that belongs to a picture and the picture that belongs to a sound."""
    input:
        **WORLD_STATE,
    output:
        result="results/eval/retrieval.json",
        figure=in_report("results/figures/retrieval.png", "Representation", sense="vision and audio"),
    log:
        "logs/retrieval.log",
    benchmark:
        "results/benchmarks/retrieval.tsv"
    threads: 8
    resources:
        **GPU_JOB,
    params:
        **evaluation("retrieval"),
    message:
        "Retrieving sounds by images and images by sounds"
    shell:
        EVALUATE


use rule retrieval as world_state with:
    """Predict the simulator's truth from the world state with a linear readout."""
    output:
        result="results/eval/world_state.json",
        figure=in_report("results/figures/world_state.png", "Representation", sense="all"),
    log:
        "logs/world_state.log",
    benchmark:
        "results/benchmarks/world_state.tsv"
    params:
        **evaluation("world_state"),
    message:
        "Predicting the truth from the world state"


rule few_shot:
    """Classify new classes from one or five examples of each."""
    input:
        data=DATA,
        seen=own_labels("vision"),
        heard=own_labels("audio"),
        vision=ENCODERS["vision"],
        audio=ENCODERS["audio"],
        fusion=WORLD_STATE["fusion"],
    output:
        result="results/eval/few_shot.json",
        figure=in_report("results/figures/few_shot.png", "Representation", sense="each and both"),
    log:
        "logs/few_shot.log",
    benchmark:
        "results/benchmarks/few_shot.tsv"
    threads: 8
    resources:
        **GPU_JOB,
    params:
        **evaluation("few_shot"),
    message:
        "Classifying from a few examples"
    shell:
        EVALUATE


rule finetune:
    """Train encoders and fusion together, initialised from the separately trained parts."""
    input:
        **WORLD_STATE,
    output:
        manifest="results/finetuned/manifest.json",
        model="results/finetuned/model.safetensors",
    log:
        "logs/finetune.log",
    benchmark:
        "results/benchmarks/finetune.tsv"
    threads: 8
    resources:
        **GPU_TRAINING,
    params:
        **training("finetune", section("finetune")),
    message:
        "Training encoders and fusion together"
    shell:
        TRAIN


rule finetuning:
    """Compare the downstream tests before and after joint training."""
    input:
        **WORLD_STATE,
        finetuned="results/finetuned/manifest.json",
    output:
        result="results/eval/finetuning.json",
        figure=in_report("results/figures/finetuning.png", "Representation", evaluation="fine-tuning", sense="all"),
    log:
        "logs/finetuning.log",
    benchmark:
        "results/benchmarks/finetuning.tsv"
    threads: 8
    resources:
        **GPU_JOB,
    params:
        **evaluation("finetuning"),
    message:
        "Comparing encoders and fusion before and after"
    shell:
        EVALUATE
