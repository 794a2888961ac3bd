"""What rules ask of a cluster: memory and minutes by the settings, so large presets get what they need."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest

from sensorium.planning.configuration import read_settings
from sensorium.planning.resources import memory_mb, minutes

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
        print("asks", job.rule.name, job.resources.get("mem_mb"), job.resources.get("runtime"))
"""
FIXED = {"summary": 2000}  # they hold nothing that the settings make larger


@pytest.fixture(scope="module")
def folder(clone) -> Path:
    return clone("requests")


@pytest.mark.parametrize("preset", ["tiny", "h200"])
def test_every_job_asks_for_the_memory_and_the_minutes_that_were_planned(folder, command, preset):
    result = command(folder, sys.executable, "-c", JOBS, f"config/{preset}.yaml")
    assert result.returncode == 0, result.stdout
    asked = {tuple(line.split()[1:]) for line in result.stdout.splitlines() if line.startswith("asks ")}
    settings = read_settings([folder / f"config/{preset}.yaml"], folder / "config/config.yaml")
    assert len(asked) > 10
    for rule, memory, runtime in asked:
        assert int(memory) == FIXED.get(rule, memory_mb(settings, rule)), rule
        if rule in settings.evaluations_on():
            assert int(runtime) == minutes(settings, rule), rule
    if preset == "tiny":
        assert {int(memory) for _, memory, _ in asked} == {2000, 4000, 8000}
    else:
        assert {rule: memory for rule, memory, _ in asked}["train_dynamics"] > "20000"
        assert {rule: int(runtime) for rule, _, runtime in asked}["rollout"] > 180
