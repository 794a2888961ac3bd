"""Figures for the report that belong to no single evaluation."""


rule curves:
    """Draw the training curves of every trained stage."""
    input:
        manifests=trained_manifests,
    output:
        figure=report(
            "results/figures/training.png",
            caption="../workflow/report/curves.rst",
            category="Training",
            labels={"figure": "training curves"},
        ),
    log:
        "logs/curves.log",
    benchmark:
        "results/benchmarks/curves.tsv"
    threads: 1
    resources:
        mem_mb=2000,
        runtime=10,
    params:
        revision=revision("curves"),
    message:
        "Drawing the training curves"
    shell:
        "sensorium --log {log} curves --manifests {input.manifests} --output {output.figure}"
