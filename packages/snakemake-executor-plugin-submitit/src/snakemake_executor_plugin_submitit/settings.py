"""Settings of the executor: `--submitit-NAME` on the command line, `submitit-NAME` in a profile."""

# No postponed annotations here: Snakemake makes its options from the fields' types.
from dataclasses import dataclass, field, fields
from typing import Any

from snakemake_interface_executor_plugins.settings import CommonSettings, ExecutorSettingsBase


def _setting(default: Any, text: str) -> Any:
    """A setting whose default stands in `snakemake --help`."""
    shown = repr(default) if default == "" else default
    return field(default=default, metadata={"help": f"{text} (default: {shown})"})


@dataclass
class ExecutorSettings(ExecutorSettingsBase):
    """How jobs are submitted and followed; the needs of a single job are its resources."""

    cluster: str = _setting(
        "slurm", "slurm; local: processes of this machine; debug: one after another in this process"
    )
    folder: str = _setting(".snakemake/submitit", "Logs and records of jobs; every node must see it")
    signal_delay: int = _setting(
        120, "Seconds before the time limit at which a job is signalled to save, at most a third of the limit"
    )
    max_requeues: int = _setting(50, "How often a job that saved its state may go on after it was stopped")
    patience: float = _setting(30.0, "Minutes for which the scheduler may be out of reach before Snakemake gives up")
    heartbeat: int = _setting(
        15, "Seconds between two signs of life of a job; one that is silent for three, and not alive for SLURM, "
        "is taken to be over"
    )  # fmt: skip
    keep_logs: int = _setting(14, "Days for which the logs of ended jobs are kept")
    transient_errors: str = _setting(
        "",
        "A regular expression: messages of this site's sbatch, squeue, sacct and scancel that mean 'try again later'",
    )
    no_limit_check: bool = _setting(False, "Submit a job even if sinfo shows no partition that could run it")

    def values(self) -> dict[str, Any]:
        """All settings by name."""
        return {each.name: getattr(self, each.name) for each in fields(self)}


common_settings = CommonSettings(
    non_local_exec=True,
    implies_no_shared_fs=False,
    job_deploy_sources=False,
    pass_default_storage_provider_args=True,
    pass_default_resources_args=True,
    # Jobs inherit the environment; written into a command it would stay on disk.
    pass_envvar_declarations_to_cmd=False,
    auto_deploy_default_storage_provider=False,
    init_seconds_before_status_checks=1,
)
