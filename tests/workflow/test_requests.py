"""What rules ask of a cluster: memory by the settings, so large presets get what they need and small ones no more."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest

from sensorium.planning.configuration import read_settings
from sensorium.planning.resources import memory_mb

JOBS = """\
import sys
from pathlib import Path
from snakemake.api import ConfigSettings, DAGSettings, OutputSettings, ResourceSettings, SnakemakeApi
from snakemake.settings.types import Quietness
with SnakemakeApi(OutputSettings(quiet={Quietness.ALL})) as api:
    files = ConfigSettings(configfiles=[Path(name) for name in sys.argv[1:]])
    workflow = api.workflow(ResourceSettings(cores=1), files, snakefile=Path("Snakefile"))
    workflow.dag(DAGSettings(targets={"results/eval.json"})).execute_workflow(executor="dryrun")
    for job in workflow._workflow.dag.jobs:
        print("asks", job.rule.name, job.resources.get("mem_mb"))
"""
FIXED = {"summary": 2000}  # they hold nothing that the settings make larger


@pytest.fixture(scope="module")
def folder(clone) -> Path:
    return clone("requests")


@pytest.mark.parametrize("preset", ["tiny", "h200"])
def test_every_job_asks_for_the_memory_that_was_planned(folder, command, preset):
    result = command(folder, sys.executable, "-c", JOBS, f"config/{preset}.yaml")
    assert result.returncode == 0, result.stdout
    asked = {tuple(line.split()[1:]) for line in result.stdout.splitlines() if line.startswith("asks ")}
    settings = read_settings([folder / f"config/{preset}.yaml"], folder / "config/config.yaml")
    assert len(asked) > 10
    for rule, memory in asked:
        assert int(memory) == FIXED.get(rule, memory_mb(settings, rule)), rule
    if preset == "tiny":
        assert {int(memory) for _, memory in asked} == {2000, 4000, 8000}
    else:
        assert dict(asked)["train_dynamics"] > "20000"
