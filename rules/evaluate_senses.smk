"""Evaluations of understanding: what frozen encoders and fusion make easy to learn, to foretell and to ask."""


rule few_shot:
    """Tell new classes from one or five examples of each."""
    input:
        data=DATA,
        seen=own_labels("vision"),
        heard=own_labels("audio"),
        vision="results/encoders/vision/manifest.json",
        audio="results/encoders/audio/manifest.json",
        fusion="results/fusion/manifest.json",
    output:
        result="results/eval/few_shot.json",
        figure=report(
            "results/figures/few_shot.png",
            caption="../workflow/report/few_shot.rst",
            category="Representation",
            labels={"evaluation": "few shot", "sense": "each and both"},
        ),
    log:
        "logs/few_shot.log",
    benchmark:
        "results/benchmarks/few_shot.tsv"
    threads: 8
    resources:
        gpu=1,
        mem_mb=8000,
        runtime=60,
    params:
        config=section("evaluations.few_shot"),
        revision=revision("few_shot"),
    message:
        "Telling classes from a few examples"
    shell:
        "sensorium --log {log} few-shot --config {params.config:q} --data {input.data} --seen {input.seen} "
        "--heard {input.heard} --vision {input.vision} --audio {input.audio} --fusion {input.fusion} "
        "--output {output.result} --figure {output.figure} --threads {threads}"


rule motion:
    """Foretell where things will be, and compare with where they went."""
    input:
        data=DATA,
        vision="results/encoders/vision/manifest.json",
        audio="results/encoders/audio/manifest.json",
        fusion="results/fusion/manifest.json",
        state_dynamics="results/state_dynamics/manifest.json",
    output:
        result="results/eval/motion.json",
        figure=report(
            "results/figures/motion.png",
            caption="../workflow/report/motion.rst",
            category="Representation",
            labels={"evaluation": "motion", "sense": "all"},
        ),
    log:
        "logs/motion.log",
    benchmark:
        "results/benchmarks/motion.tsv"
    threads: 8
    resources:
        gpu=1,
        mem_mb=8000,
        runtime=60,
    params:
        config=section("evaluations.motion"),
        revision=revision("motion"),
    message:
        "Foretelling where things will be"
    shell:
        "sensorium --log {log} motion --config {params.config:q} --data {input.data} --vision {input.vision} "
        "--audio {input.audio} --fusion {input.fusion} --state-dynamics {input.state_dynamics} "
        "--output {output.result} --figure {output.figure} --threads {threads}"


rule causal:
    """Change the actions, in the forecast and in the simulator: what would have changed?"""
    input:
        data=DATA,
        vision="results/encoders/vision/manifest.json",
        audio="results/encoders/audio/manifest.json",
        fusion="results/fusion/manifest.json",
        state_dynamics="results/state_dynamics/manifest.json",
    output:
        result="results/eval/causal.json",
        figure=report(
            "results/figures/causal.png",
            caption="../workflow/report/causal.rst",
            category="Representation",
            labels={"evaluation": "causal", "sense": "all"},
        ),
    log:
        "logs/causal.log",
    benchmark:
        "results/benchmarks/causal.tsv"
    threads: 8
    resources:
        gpu=1,
        mem_mb=8000,
        runtime=60,
    params:
        config=section("evaluations.causal"),
        revision=revision("causal"),
    message:
        "Foretelling what other actions would change"
    shell:
        "sensorium --log {log} causal --config {params.config:q} --data {input.data} --vision {input.vision} "
        "--audio {input.audio} --fusion {input.fusion} --state-dynamics {input.state_dynamics} "
        "--output {output.result} --figure {output.figure} --threads {threads}"


rule properties:
    """Read the properties of bodies that are struck, from each sense and from all."""
    input:
        data=DATA,
        vision="results/encoders/vision/manifest.json",
        audio="results/encoders/audio/manifest.json",
    output:
        result="results/eval/properties.json",
        figure=report(
            "results/figures/properties.png",
            caption="../workflow/report/properties.rst",
            category="Representation",
            labels={"evaluation": "properties", "sense": "each and all"},
        ),
    log:
        "logs/properties.log",
    benchmark:
        "results/benchmarks/properties.tsv"
    threads: 8
    resources:
        gpu=1,
        mem_mb=8000,
        runtime=60,
    params:
        config=section("evaluations.properties"),
        revision=revision("properties"),
    message:
        "Reading properties of bodies"
    shell:
        "sensorium --log {log} properties --config {params.config:q} --data {input.data} --vision {input.vision} "
        "--audio {input.audio} --output {output.result} --figure {output.figure} --threads {threads}"


rule zero_shot:
    """Tell kinds that were never met by their attributes."""
    input:
        data=DATA,
        vision="results/encoders/vision/manifest.json",
        audio="results/encoders/audio/manifest.json",
    output:
        result="results/eval/zero_shot.json",
        figure=report(
            "results/figures/zero_shot.png",
            caption="../workflow/report/zero_shot.rst",
            category="Representation",
            labels={"evaluation": "zero-shot", "sense": "sight and hearing"},
        ),
    log:
        "logs/zero_shot.log",
    benchmark:
        "results/benchmarks/zero_shot.tsv"
    threads: 8
    resources:
        gpu=1,
        mem_mb=8000,
        runtime=60,
    params:
        config=section("evaluations.zero_shot"),
        revision=revision("zero_shot"),
    message:
        "Telling kinds that were never met"
    shell:
        "sensorium --log {log} zero-shot --config {params.config:q} --data {input.data} --vision {input.vision} "
        "--audio {input.audio} --output {output.result} --figure {output.figure} --threads {threads}"
