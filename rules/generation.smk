"""Generation: tokens of frames and of sound, and dynamics that dream the next ones, steered by actions."""


rule train_tokenizer:
    """Train the tokenizer of one stream by reconstruction."""
    input:
        lpips_weights,
        data=DATA,
    output:
        manifest="results/tokenizers/{stream}/manifest.json",
        model="results/tokenizers/{stream}/model.safetensors",
    log:
        "logs/train_tokenizer/{stream}.log",
    benchmark:
        "results/benchmarks/train_tokenizer/{stream}.tsv"
    priority: 2  # the longest chain first: others fit beside it
    threads: 8
    resources:
        **GPU_TRAINING,
    params:
        **training("train_tokenizer", section("tokenizers.{stream}")),
    message:
        "Training the {wildcards.stream} tokenizer"
    shell:
        TRAIN


rule reconstruction:
    """Compare test frames with their reconstructions by the tokenizer."""
    input:
        data=DATA,
        tokenizer=TOKENIZER,
    output:
        result="results/eval/reconstruction.json",
        figure=in_report("results/figures/reconstruction.png", "Generation", kind="frames"),
    log:
        "logs/reconstruction.log",
    benchmark:
        "results/benchmarks/reconstruction.tsv"
    threads: 8
    resources:
        **GPU_JOB,
    params:
        **evaluation("reconstruction"),
    message:
        "Reconstructing test frames"
    shell:
        EVALUATE


use rule reconstruction as sound_reconstruction with:
    """Compare test sounds with their reconstructions by the tokenizer."""
    input:
        data=DATA,
        tokenizer="results/tokenizers/audio/manifest.json",
    output:
        result="results/eval/sound_reconstruction.json",
        figure=in_report("results/figures/sound_reconstruction.png", "Generation", kind="spectrograms"),
        sound=in_report(
            "results/figures/sound_reconstruction.wav", "Generation", "sound_reconstruction_wav", kind="sound"
        ),
    log:
        "logs/sound_reconstruction.log",
    benchmark:
        "results/benchmarks/sound_reconstruction.tsv"
    params:
        **evaluation("sound_reconstruction"),
    message:
        "Reconstructing test sounds"


rule encode_latents:
    """Encode one stream of one shard of recordings, so that the dynamics never run a tokenizer."""
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
    priority: 2
    threads: 4
    resources:
        **GPU_JOB,
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
    """Join the latents of one stream under the splits of their recordings."""
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
    priority: 2
    threads: 1
    resources:
        mem_mb=memory,
        runtime=60,
    params:
        config=section("latents"),
        revision=revision("index"),
    message:
        "Indexing the {wildcards.stream} latents"
    shell:
        "sensorium --log {log} index --config {params.config:q} --shards {input.recordings} --like {input.data} "
        "--output {output.manifest}"


rule train_dynamics:
    """Train the token dynamics by shortcut forcing."""
    input:
        latents=LATENTS["latents"],
        tokenizer=TOKENIZER,
        sound=of_sound("latents"),
        body=[DATA] if SETTINGS.dreamed_body else [],
    output:
        manifest="results/dynamics/manifest.json",
        model="results/dynamics/model.safetensors",
    log:
        "logs/train_dynamics.log",
    benchmark:
        "results/benchmarks/train_dynamics.tsv"
    priority: 2
    threads: 8
    resources:
        **GPU_TRAINING,
    params:
        **training("train_dynamics", section("dynamics")),
    message:
        "Training the dynamics"
    shell:
        TRAIN


rule rollout:
    """Compare dreams from true context frames with the true frames."""
    input:
        **DREAMS,
    output:
        result="results/eval/rollout.json",
        figure=in_report("results/figures/rollout.png", "Generation", kind="frames"),
        video=in_report("results/figures/rollout.mp4", "Generation", "rollout_video", kind="video"),
    log:
        "logs/rollout.log",
    benchmark:
        "results/benchmarks/rollout.tsv"
    threads: 8
    resources:
        **GPU_JOB,
    params:
        **evaluation("rollout"),
    message:
        "Dreaming beside the truth"
    shell:
        EVALUATE


use rule rollout as uncertainty with:
    """Sample several dreams from each context, and compare their spread with their error."""
    output:
        result="results/eval/uncertainty.json",
        figure=in_report("results/figures/uncertainty.png", "Generation", kind="calibration"),
    log:
        "logs/uncertainty.log",
    benchmark:
        "results/benchmarks/uncertainty.tsv"
    priority: 1  # the longest of those that dream
    params:
        **evaluation("uncertainty"),
    message:
        "Comparing the spread of dreams with their error"


use rule rollout as counterfactual with:
    """Change the actions in the dream and in the simulator, and compare the effects."""
    output:
        result="results/eval/counterfactual.json",
        figure=in_report("results/figures/counterfactual.png", "Generation", kind="frames"),
    log:
        "logs/counterfactual.log",
    benchmark:
        "results/benchmarks/counterfactual.tsv"
    params:
        **evaluation("counterfactual"),
    message:
        "Dreaming of what would have happened"


use rule rollout as control with:
    """Look for the hand and the bodies in long dreams under known actions."""
    output:
        result="results/eval/control.json",
        figure=in_report("results/figures/control.png", "Generation", kind="frames"),
        video=in_report("results/figures/control.mp4", "Generation", "control_video", kind="video"),
    log:
        "logs/control.log",
    benchmark:
        "results/benchmarks/control.tsv"
    params:
        **evaluation("control"),
    message:
        "Looking for the hand in long dreams"


use rule rollout as drift with:
    """Compare pieces of long dreams with pieces of recordings."""
    input:
        **DREAMS,
        encoder=feature_encoder,
    output:
        result="results/eval/drift.json",
        figure=in_report("results/figures/drift.png", "Generation", kind="distance"),
    log:
        "logs/drift.log",
    benchmark:
        "results/benchmarks/drift.tsv"
    params:
        **evaluation("drift"),
    message:
        "Dreaming for long"


use rule rollout as dreamed_sound with:
    """Listen to several dreams from each context, and compare onsets with those of the recording."""
    input:
        **DREAMS,
        sound_tokenizer="results/tokenizers/audio/manifest.json",
    output:
        result="results/eval/dreamed_sound.json",
        figure=in_report("results/figures/dreamed_sound.png", "Generation", kind="spectrograms"),
        wav=in_report("results/figures/dreamed_sound.wav", "Generation", "dreamed_sound_wav", kind="sound"),
    log:
        "logs/dreamed_sound.log",
    benchmark:
        "results/benchmarks/dreamed_sound.tsv"
    params:
        **evaluation("dreamed_sound"),
    message:
        "Listening to dreams"
