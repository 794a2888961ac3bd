"""Every fault that is tried, what happens, and the test that tries it: the table of the package's documentation.

python tests/unit/executor/cases.py     writes it into docs/further.md of the package
"""

from __future__ import annotations

import re
from pathlib import Path
from typing import NamedTuple

from simulated_slurm import FAULTS

ROOT = Path(__file__).parents[3]
PAGE = ROOT / "packages/snakemake-executor-plugin-submitit/docs/further.md"
TABLE = re.compile(r"<!-- faults -->.*<!-- end of faults -->", re.DOTALL)
SIMULATED = "test_submitit_faults.py::test_promises_hold_with_one_fault_nearly_always"
BAD_DAYS = "test_submitit_faults.py::test_promises_hold_on_bad_days"


class Case(NamedTuple):
    """A fault, what happens, and FILE::TEST."""

    fault: str
    happens: str
    test: str


CASES = (
    Case("sbatch accepts the job and says that it failed or timed out", "the queue is searched for the comment; the "
         "job is adopted, nothing is submitted twice",
         "test_faults.py::test_a_job_that_sbatch_denies_is_found_and_runs_once"),
    Case("the main process is killed between any two lines", "its record says what may exist; the next one looks for "
         "it before it submits", BAD_DAYS),
    Case("the main process is killed while the job runs", "the next one re-attaches",
         "test_main_process.py::test_main_process_killed_and_started_again"),
    Case("the main process is killed during a requeue", "the next one re-attaches",
         "test_main_process.py::test_killed_during_a_requeue"),
    Case("a job's command changed while the main process was away", "the old job is stopped, its end is waited for, "
         "then the new one is submitted", "test_main_process.py::test_a_job_whose_command_changed_is_not_taken"),
    Case("jobs ended while the main process was away", "successes count, failures are named and tried again",
         "test_main_process.py::test_jobs_that_ended_while_snakemake_was_away"),
    Case("sacct down for as long as it likes", "squeue alone is enough",
         "test_faults.py::test_accounts_down_or_queue_down_end_nothing"),
    Case("squeue down for as long as it likes", "the jobs' own records and sacct are enough",
         "test_faults.py::test_accounts_down_or_queue_down_end_nothing"),
    Case("nobody answers", "nothing is submitted, no record is dropped",
         "test_submitit_faults.py::test_while_nobody_answers_nothing_is_submitted_and_no_record_is_dropped"),
    Case("nobody answers for longer than --submitit-patience", "the main process ends with a clear error; jobs go on",
         "test_main_process.py::test_scheduler_out_of_reach_for_too_long"),
    Case("numbers begin again (the controller lost its state)", "a number with another comment is not ours; it is "
         "never cancelled", "test_submitit_faults.py::test_a_number_that_belongs_to_another_job_is_not_cancelled"),
    Case("a client hangs", "it is ended after a minute, with all that it started",
         "test_submitit_clients.py::test_a_client_that_hangs_is_ended_with_all_that_it_started"),
    Case("a limit on submitted jobs (MaxSubmitJobs)", "the job waits for a slot; that is said once",
         "test_submitit_faults.py::test_a_limit_on_submitted_jobs_means_waiting"),
    Case("sbatch refuses", "its own words, at once, as a failure of this job alone",
         "test_jobs.py::test_a_refused_submission_says_why"),
    Case("messages of the site's own", "`--submitit-transient-errors`",
         "test_submitit_clients.py::test_a_site_adds_its_own_messages"),
    Case("runtime, memory, CPUs or GPUs that no node of the partition has", "refused before submission, with what to "
         "change and which partition can",
         "test_submitit_limits.py::test_what_no_partition_can_run_is_named_with_what_to_change"),
    Case("a job that waits for ever (PartitionTimeLimit, held, limits)", "state and reason at once and on each change, "
         "with what to do", "test_faults.py::test_a_limit_is_named_before_submission_or_while_the_job_waits"),
    Case("SBATCH_PARTITION, SBATCH_TIMELIMIT, ... in the environment", "left out, with a line, where a resource "
         "decides; else in force, with a line",
         "test_faults.py::test_the_environment_does_not_win_and_a_precommand_is_run"),
    Case("SBATCH_EXPORT=NONE", "left out: jobs need the environment",
         "test_faults.py::test_the_environment_does_not_win_and_a_precommand_is_run"),
    Case("SQUEUE_*, SACCT_*, SLURM_CLUSTERS in the environment", "do not reach the clients",
         "test_submitit_clients.py::test_the_users_filters_do_not_reach_the_clients"),
    Case("the main process runs inside a job", "that job's limits do not become those of new jobs",
         "test_submitit_clients.py::test_inside_a_job_its_variables_are_forgotten"),
    Case("the time limit of a program that saves (exit 75)", "requeued, the same job goes on",
         "test_survival.py::test_time_limit"),
    Case("a program saves and exits with 75 before any signal", "the same: a long step ends before its time limit",
         "test_submitit_runs.py::test_a_program_that_stops_at_a_deadline_of_its_own_goes_on"),
    Case("preemption", "saved where the program can, requeued", "test_survival.py::test_preemption"),
    Case("`scontrol requeue` by hand", "goes on", "test_survival.py::test_requeue_by_hand"),
    Case("a node dies", "SLURM starts the job again", "test_survival.py::test_node_down"),
    Case("a node is lost but runs on", "its programs stop when the next start claims the run", BAD_DAYS),
    Case("the controller is restarted", "nothing happens to jobs", "test_survival.py::test_controller_restarted"),
    Case("the site forbids requeueing", "the job leaves, a new one goes on; no failure, no retry is used up",
         "test_faults.py::test_where_requeues_are_forbidden_the_work_goes_on_in_a_new_job"),
    Case("a program dies of SIGUSR2, or saves nothing", "not run again; the message says what exit 75 means",
         "test_faults.py::test_a_program_that_dies_of_the_signal_is_not_run_again"),
    Case("a program that ignores the signal", "is not disturbed",
         "test_survival.py::test_a_program_that_knows_no_signal_is_not_run_twice"),
    Case("the signal comes before the program listens", "it is repeated",
         "test_survival.py::test_a_signal_that_comes_too_early_is_told_later"),
    Case("a group is stopped after one of its members finished", "finished members are not made again",
         "test_faults.py::test_finished_members_of_a_stopped_group_are_not_made_again"),
    Case("a job stops and saves for ever", "`--submitit-max-requeues`", "test_jobs.py::test_requeued_too_often"),
    Case("a rule with retries fails", "its retries count once", "test_faults.py::test_retries_count_once"),
    Case("a rule's own srun", "reaches all nodes and tasks of the job",
         "test_faults.py::test_the_environment_does_not_win_and_a_precommand_is_run"),
    Case("Ctrl-C", "every job is cancelled; one that cannot be is named, and does no more work",
         "test_main_process.py::test_ctrl_c_leaves_nothing_behind"),
    Case("the folder cannot be written", "one clear message at the start",
         "test_submitit_here.py::test_a_folder_that_cannot_be_written_is_named"),
    Case("resources of the official executor that are not known here", "a warning with what to do instead",
         "test_submitit_limits.py::test_resources_of_the_official_executor_are_honoured_or_named"),
    Case("the main process dies between sbatch and its answer", "files and record were there before; the next one "
         "finds the job by its comment", "test_bad_luck.py::test_the_main_process_dies_between_sbatch_and_its_answer"),
    Case("a job is gone, and the accounts call it RUNNING for ever", "the queue is asked, too; after ten minutes "
         "without a sign of life the job counts as lost", "test_submitit_life.py::test_the_next_step"),
    Case("a client fails, hangs, lags or lies at random while main processes are killed, jobs signalled, requeued, "
         "cancelled, and nodes die (on the private SLURM)", "one job at a time, no step lost or made twice, the right "
         "exit, nothing left behind", "test_bad_days.py::test_promises_hold_on_a_bad_day"),
    Case("sbatch answers something that is no number", "nothing is known: the queue is searched",
         "test_submitit_clients.py::test_only_a_number_is_a_number"),
    Case("a time-out of sbatch", "says nothing about the job",
         "test_submitit_clients.py::test_a_time_out_says_nothing_about_the_job"),
    Case("\"Unexpected message received\", \"Zero bytes were transmitted\" and other words of a busy scheduler",
         "asked again later", "test_submitit_clients.py::test_what_an_error_means"),
    Case("no SLURM on this machine", "it is named, with the question whether this is a login node",
         "test_submitit_clients.py::test_a_machine_without_slurm_is_named"),
    Case("no accounting storage, or one too old for a field", "the queue alone; the older fields",
         "test_submitit_clients.py::test_accounts_that_are_too_old_or_missing"),
    Case("sbatch was heard twice", "the job that works is kept, the other one is cancelled",
         "test_submitit_life.py::test_of_two_jobs_the_one_that_works_is_kept"),
    Case("a second job of the same run starts", "it finds no ticket and does nothing",
         "test_submitit_runs.py::test_one_job_claims_a_run_and_a_second_one_does_nothing"),
    Case("a job starts after its right to work was ended", "it does nothing",
         "test_submitit_runs.py::test_a_job_that_comes_after_the_end_of_its_right_does_nothing"),
    Case("a requeued job starts while its earlier start works on", "the earlier one loses its claim and stops; the "
         "new one waits for a heartbeat",
         "test_submitit_runs.py::test_a_requeued_job_takes_the_claim_of_its_earlier_start"),
    Case("the disk of the run's folder is full", "a line in the log; the program goes on",
         "test_submitit_runs.py::test_a_folder_that_takes_nothing_more_ends_no_program"),
    Case("the node dies while the job records its end", "half an end is none",
         "test_submitit_runs.py::test_an_end_that_is_half_written_is_none"),
    Case("a record that cannot be read", "it is named, with how to look for the job; nothing is submitted",
         "test_submitit_runs.py::test_a_damaged_record_is_named_and_nothing_is_submitted"),
    Case("a job is over before Snakemake knows of it", "its end is reported with the next look",
         "test_submitit_ends.py::test_an_end_that_is_seen_before_its_job_is_handed_on_is_not_lost"),
    Case("two main processes follow the same job (SLURM gives the first one half a minute to die)",
         "both learn how it ended",
         "test_submitit_runs.py::test_another_main_process_still_learns_how_a_run_has_ended"),
    Case("someone removes the folder of a run", "its job counts as failed once SLURM has ended it",
         "test_submitit_runs.py::test_a_run_whose_files_are_gone_can_be_ended"),
    Case("thousands of runs in one folder", "the oldest logs go, those that a record needs stay",
         "test_submitit_runs.py::test_what_stays_on_disk_is_bounded"),
    Case("a job is requeued and held (requeuehold, a prolog that fails)", "state and `scontrol release` are named; "
         "then it goes on", "test_bad_luck.py::test_a_job_that_is_requeued_and_held_is_named"),
    Case("the partition is closed", "named; the job starts when it opens",
         "test_bad_luck.py::test_a_closed_partition_is_named"),
    Case("limits of account or QOS (AssocMaxWallDurationPerJobLimit, QOSMinGRES, QOSGrpGRES, ...)", "the reason, with "
         "the resource to change", "test_submitit_limits.py::test_a_job_that_waits_is_explained"),
    Case("several rules beyond several limits", "all are named at the start, and by a dry run, with the lines of the "
         "profile that mend them",
         "test_commands.py::test_a_partition_of_an_hour_and_4_cpus_a_node_is_answered_with_the_lines_to_write"),
    Case("scontrol requeue is \"presently disabled\"", "not asked again; a new job goes on at once",
         "test_bad_luck.py::test_a_cluster_that_forbids_requeueing"),
    Case("a requeue is refused for now", "asked for again",
         "test_submitit_clients.py::test_a_requeue_is_asked_for_until_slurm_accepts_or_refuses_it"),
    Case("a program saves on the signal and ends with a code of its own", "`saves_on_signal=1`: requeued",
         "test_bad_luck.py::test_a_program_that_saves_and_ends_with_a_code_of_its_own"),
    Case("a job ended while the main process was away, with a failure", "reported, and tried again",
         "test_main_process.py::test_a_failure_while_snakemake_was_away_is_told_and_tried_again"),
    Case("nobody answers for a while", "asked again, with growing pauses",
         "test_main_process.py::test_scheduler_out_of_reach_for_a_while"),
    Case("`scancel` by hand", "a failure that says so; `retries` submit it again",
         "test_jobs.py::test_a_cancelled_job_gets_its_second_chance"),
    Case("`scancel` by hand while squeue does not say so", "the job is not put back into the queue by itself: scontrol "
         "is asked too, and else SLURM's own end awaited",
         "test_submitit_clients.py::test_a_job_that_got_sigterm_is_not_requeued_before_slurm_says_that_it_runs"),
    Case("Ctrl-C twice while scancel is slow", "the numbers were named before; the job stops by itself",
         "test_bad_luck.py::test_ctrl_c_twice_while_scancel_is_slow"),
    Case("the main process as a job reaches its own limit", "its jobs go on; submitted again it finds them",
         "test_bad_luck.py::test_the_main_process_as_a_job_that_reaches_its_limit"),
    Case("the whole workflow in one allocation, which ends", "programs save; the same line goes on",
         "test_bad_luck.py::test_the_whole_workflow_in_one_allocation"),
    Case("jobs are grouped on the command line", "one job for all of them",
         "test_bad_luck.py::test_jobs_are_grouped_from_the_command_line"),
    Case("modules: `--precommand \"module load ...\"`, an active conda environment", "in force in every job",
         "test_faults.py::test_the_environment_does_not_win_and_a_precommand_is_run"),
    Case("modules of a rule: `envmodules:` with `--sdm env-modules`", "loaded in its job",
         "test_bad_luck.py::test_modules_of_a_rule"),
    Case("hundreds of jobs of one rule, wildcards of any text", "each is called by its rule and wildcards, in plain "
         "letters", "test_submitit_runs.py::test_a_job_is_called_by_its_rule_and_wildcards"),
    Case("line breaks in a resource", "refused: what follows one would be run",
         "test_submitit_quoting.py::test_a_resource_of_several_lines_is_refused"),
    Case("quotes, blanks and `$(...)` in names of files and folders", "one word each",
         "test_submitit_quoting.py::test_every_name_is_one_word"),
    Case("a resource with an impossible value", "named with its rule",
         "test_submitit_resources.py::test_what_cannot_be_is_named_with_its_rule"),
    Case("no torch, and nothing of the repository that this package comes from", "the wheel passes the interface's own "
         "tests", "test_submitit_package.py::test_the_wheel_in_a_fresh_environment_passes_the_interfaces_own_tests"),
    *(Case(f"simulated: {fault}", "one job at a time, none lost, none left behind, the right end", SIMULATED)
      for fault in FAULTS),
)  # fmt: skip


def table() -> str:
    """The table, in Markdown."""
    rows = "\n".join(f"| {case.fault} | {case.happens} | {case.test.partition('::')[2]} |" for case in CASES)
    return f"<!-- faults -->\n| fault | what happens | test |\n|---|---|---|\n{rows}\n<!-- end of faults -->"


if __name__ == "__main__":
    PAGE.write_text(TABLE.sub(lambda match: table(), PAGE.read_text()))
