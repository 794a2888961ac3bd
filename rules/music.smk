"""Music: songs with ground truth, and the drums of one with the harmony of another."""


rule collect_songs:
    """Compose songs and synthesise their stems."""
    output:
        manifest="results/music/songs/manifest.json",
    log:
        "logs/collect_songs.log",
    benchmark:
        "results/benchmarks/collect_songs.tsv"
    threads: 1
    resources:
        mem_mb=4000,
        runtime=60,
    params:
        **training("collect_songs", section("music.songs")),
    message:
        "Composing songs"
    shell:
        "sensorium --log {log} {params.program} --config {params.config:q} --output {params.folder}"


rule train_mask:
    """Train the mask that separates drums from harmony."""
    input:
        songs="results/music/songs/manifest.json",
    output:
        manifest="results/music/mask/manifest.json",
        model="results/music/mask/model.safetensors",
    log:
        "logs/train_mask.log",
    benchmark:
        "results/benchmarks/train_mask.tsv"
    threads: 8
    resources:
        **GPU_TRAINING,
    params:
        **training("train_mask", section("music.mask")),
    message:
        "Training the mask of drums"
    shell:
        TRAIN


use rule train_mask as train_cascade with:
    """Train the cascade, which combines two songs in latents."""
    output:
        manifest="results/music/cascade/manifest.json",
        model="results/music/cascade/model.safetensors",
    log:
        "logs/train_cascade.log",
    benchmark:
        "results/benchmarks/train_cascade.tsv"
    params:
        **training("train_cascade", section("music.cascade")),
    message:
        "Training the cascade"


rule train_codec:
    """Train the codec of music."""
    input:
        songs="results/music/songs/manifest.json",
    output:
        manifest="results/music/codec/manifest.json",
        model="results/music/codec/model.safetensors",
    log:
        "logs/train_codec.log",
    benchmark:
        "results/benchmarks/train_codec.tsv"
    threads: 8
    resources:
        **GPU_TRAINING,
    params:
        **training("train_codec", section("music.codec")),
    message:
        "Training the codec of music"
    shell:
        TRAIN


rule music_transfer:
    """Combine pairs of test songs, by the network and by everything that it is compared with."""
    input:
        songs="results/music/songs/manifest.json",
        mask="results/music/mask/manifest.json",
    output:
        result="results/eval/music_transfer.json",
        figure=in_report("results/figures/music_transfer.png", "Music", kind="spectrograms"),
        sound=in_report("results/figures/music_transfer.wav", "Music", "music_transfer_wav", kind="sound"),
    log:
        "logs/music_transfer.log",
    benchmark:
        "results/benchmarks/music_transfer.tsv"
    threads: 8
    resources:
        **GPU_JOB,
    params:
        **evaluation("music_transfer"),
    message:
        "Combining pairs of test songs"
    shell:
        EVALUATE


use rule music_transfer as cascade_transfer with:
    """Combine pairs of test songs in latents, beside everything that the mask is compared with and the mask."""
    input:
        songs="results/music/songs/manifest.json",
        cascade="results/music/cascade/manifest.json",
        mask="results/music/mask/manifest.json",
    output:
        result="results/eval/cascade_transfer.json",
        figure=in_report("results/figures/cascade_transfer.png", "Music", kind="spectrograms"),
        sound=in_report("results/figures/cascade_transfer.wav", "Music", "cascade_transfer_wav", kind="sound"),
    log:
        "logs/cascade_transfer.log",
    benchmark:
        "results/benchmarks/cascade_transfer.tsv"
    params:
        **evaluation("cascade_transfer"),
    message:
        "Combining pairs of test songs in latents"


use rule music_transfer as sound_coding with:
    """Send test songs through the codec, at counted bits, and through other codecs."""
    input:
        songs="results/music/songs/manifest.json",
        codec="results/music/codec/manifest.json",
    output:
        result="results/eval/sound_coding.json",
        figure=in_report("results/figures/sound_coding.png", "Music", kind="rates"),
    log:
        "logs/sound_coding.log",
    benchmark:
        "results/benchmarks/sound_coding.tsv"
    params:
        **evaluation("sound_coding"),
    message:
        "Coding test songs"
