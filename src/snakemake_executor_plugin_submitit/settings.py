"""Settings of the executor: `--submitit-NAME` on the command line, `submitit-NAME` in a profile."""

# No postponed annotations here: Snakemake makes its options from the fields' types.
from dataclasses import dataclass, field

from snakemake_interface_executor_plugins.settings import CommonSettings, ExecutorSettingsBase


@dataclass
class ExecutorSettings(ExecutorSettingsBase):
    """How jobs are submitted and followed; the needs of a single job are its resources."""

    cluster: str = field(
        default="slurm",
        metadata={"help": "slurm; local: processes of this machine; debug: one after another in this process"},
    )
    folder: str = field(
        default=".snakemake/submitit",
        metadata={"help": "Logs and records of jobs; every node must see it"},
    )
    signal_delay: int = field(
        default=120,
        metadata={
            "help": "Seconds before the time limit at which a job is signalled to save (at most a third of the limit)"
        },
    )
    max_requeues: int = field(
        default=50,
        metadata={"help": "How often a job may put itself back into the queue"},
    )
    patience: int = field(
        default=30,
        metadata={"help": "Minutes for which the scheduler may be out of reach before Snakemake gives up"},
    )


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
