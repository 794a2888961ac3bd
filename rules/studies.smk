"""Studies: experiments over many seeds that `rule all` leaves alone; `make studies` writes their tables into docs/."""


rule study:
    """Run one study over all its seeds."""
    output:
        result="results/studies/{study}.json",
    log:
        "logs/study/{study}.log",
    benchmark:
        "results/benchmarks/study/{study}.tsv"
    threads: 1
    resources:
        mem_mb=4000,
        runtime=240,
    params:
        config=section("studies.{study}"),
        revision=study_revision,
    message:
        "Studying {wildcards.study}"
    shell:
        "sensorium --log {log} study {wildcards.study} --config {params.config:q} --output {output.result} "
        "--threads {threads}"


use rule study as study_with_journal with:
    output:
        result="results/studies/{study,babbling}.json",
        journal="results/studies/{study}.jsonl",


ruleorder: study_with_journal > study


rule studies:
    """Run every study."""
    input:
        expand("results/studies/{study}.json", study=STUDIES),
