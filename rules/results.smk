"""Results: every evaluation in one file, and the training curves."""


rule summary:
    """Join the results of the evaluations that are switched on."""
    input:
        evaluations=evaluation_results,
        recordings=recordings_used,
        played=list(PLAYED),
    output:
        summary=report(
            "results/eval.json",
            caption="../workflow/report/summary.rst",
            category="Summary",
            labels={"table": "every metric"},
        ),
        table="results/baselines.tsv",
        pages=[
            *PLAYED.values(),
            report(
                "results/pages/baselines.html",
                caption="../workflow/report/baselines.rst",
                category="Summary",
                labels={"table": "every baseline"},
            ),
        ],
    log:
        "logs/summary.log",
    benchmark:
        "results/benchmarks/summary.tsv"
    threads: 1
    resources:
        mem_mb=2000,
        runtime=10,
    params:
        revision=revision("summary"),
    message:
        "Joining the evaluations"
    shell:
        "sensorium --log {log} summary --evaluations {input.evaluations} --recordings {input.recordings} "
        "--output {output.summary} --table {output.table} --played {input.played} --pages {output.pages}"


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
    priority: 1  # before the summary, whose table is the last thing that a run prints
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
