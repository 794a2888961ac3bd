"""Evaluations of understanding: what frozen encoders and fusion make easy to learn of new classes and new bodies."""


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
