"""The test workflows that Snakemake's interface gives to every executor, on this machine."""

from __future__ import annotations

from snakemake.common.tests import TestWorkflowsLocalStorageBase

from snakemake_executor_plugin_submitit.settings import ExecutorSettings


class TestLocal(TestWorkflowsLocalStorageBase):
    """Processes of this machine."""

    __test__ = True
    cluster = "local"

    def get_executor(self) -> str:
        return "submitit"

    def get_executor_settings(self) -> ExecutorSettings:
        return ExecutorSettings(cluster=self.cluster)

    def get_default_storage_prefix(self) -> None:
        return None

    def get_default_storage_provider_settings(self) -> None:
        return None


class TestDebug(TestLocal):
    """Calls in the main process."""

    cluster = "debug"
