"""Fine-tuning: encoders and fusion trained together, end to end; and what that gained and harmed."""


rule finetune:
    """Train encoders and fusion together, from where their own trainings ended."""
    input:
        data=DATA,
        vision="results/encoders/vision/manifest.json",
        audio="results/encoders/audio/manifest.json",
        fusion="results/fusion/manifest.json",
    output:
        manifest="results/finetuned/manifest.json",
        model="results/finetuned/model.safetensors",
    log:
        "logs/finetune.log",
    benchmark:
        "results/benchmarks/finetune.tsv"
    threads: 8
    resources:
        gpu=1,
        mem_mb=8000,
        runtime=240,
    params:
        config=section("finetune"),
        revision=revision("finetune"),
        folder=subpath(output.manifest, parent=True),
    message:
        "Training encoders and fusion together"
    shell:
        "sensorium --log {log} --ranks {resources.gpu} finetune "
        "--config {params.config:q} --data {input.data} --vision {input.vision} --audio {input.audio} "
        "--fusion {input.fusion} --output {params.folder} --threads {threads} --max-minutes {resources.runtime}"


rule finetuning:
    """Take the downstream tests before and after the joint training."""
    input:
        data=DATA,
        vision="results/encoders/vision/manifest.json",
        audio="results/encoders/audio/manifest.json",
        fusion="results/fusion/manifest.json",
        finetuned="results/finetuned/manifest.json",
    output:
        result="results/eval/finetuning.json",
        figure=report(
            "results/figures/finetuning.png",
            caption="../workflow/report/finetuning.rst",
            category="Representation",
            labels={"evaluation": "fine-tuning", "sense": "all"},
        ),
    log:
        "logs/finetuning.log",
    benchmark:
        "results/benchmarks/finetuning.tsv"
    threads: 8
    resources:
        gpu=1,
        mem_mb=8000,
        runtime=60,
    params:
        config=section("evaluations.finetuning"),
        revision=revision("finetuning"),
    message:
        "Comparing encoders and fusion before and after"
    shell:
        "sensorium --log {log} finetuning --config {params.config:q} --data {input.data} --vision {input.vision} "
        "--audio {input.audio} --fusion {input.fusion} --finetuned {input.finetuned} --output {output.result} "
        "--figure {output.figure} --threads {threads}"
