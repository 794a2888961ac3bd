"""Snakemake jobs as SLURM jobs: what is asked for, what is reported, what happens to jobs that fail."""

from __future__ import annotations

import re

from snakemake_run import SUBMITIT


def resources(text: str) -> dict[str, str]:
    """The fields of a list of resources, such as cpu=1,mem=2M."""
    return dict(part.split("=") for part in text.split(","))


def test_one_job_for_each_rule_with_what_it_asks_for(toy, slurm):
    said = toy.run(*SUBMITIT)
    assert toy.lines("end.txt") == ["3 gpus=0"]
    ids = dict(re.findall(r"job \d+ \((\w+)\) is SLURM job (\d+), log: \.snakemake/submitit/\2/\2_0_log.out", said))
    fields = "JobID,JobName,State,Partition,Account,Timelimit,ReqTRES"
    jobs = {row[1]: row for row in slurm.jobs(fields) if row[0] in ids.values()}
    assert set(jobs) == {"begin", "work", "end"} == set(ids)
    for name, memory in {"begin": "200M", "work": "300M", "end": "100M"}.items():
        _, _, state, partition, account, limit, asked = jobs[name]
        assert (state, partition, account, limit) == ("COMPLETED", "main", "science", "00:05:00")
        assert resources(asked)["mem"] == memory
        assert resources(asked)["cpu"] == ("2" if name == "work" else "1")
        assert resources(asked).get("gres/gpu") == ("1" if name == "work" else None)
    assert "Nice=7" in slurm.control("show", "job", ids["work"])
