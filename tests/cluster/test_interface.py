"""The test workflows that Snakemake's interface gives to every executor, on the private SLURM."""

from __future__ import annotations

import os
import sys
from pathlib import Path

import pytest
from private_slurm import PrivateSlurm
from snakemake.common.tests import TestWorkflowsLocalStorageBase
from snakemake.settings.types import ResourceSettings

from snakemake_executor_plugin_submitit.settings import ExecutorSettings


class TestSlurm(TestWorkflowsLocalStorageBase):
    """One SLURM job for each job of Snakemake."""

    __test__ = True

    @pytest.fixture(autouse=True)
    def on_the_private_cluster(self, slurm: PrivateSlurm, monkeypatch: pytest.MonkeyPatch) -> None:
        places = [str(slurm.bin), str(Path(sys.executable).parent), os.environ["PATH"]]
        monkeypatch.setenv("PATH", os.pathsep.join(places))

    def get_executor(self) -> str:
        return "submitit"

    def get_executor_settings(self) -> ExecutorSettings:
        return ExecutorSettings(heartbeat=1)

    def get_resource_settings(self) -> ResourceSettings:
        return ResourceSettings(
            default_resources={"slurm_partition": "main", "slurm_account": "science", "mem_mb": 300, "runtime": 5}
        )

    def get_default_storage_prefix(self) -> None:
        return None

    def get_default_storage_provider_settings(self) -> None:
        return None
