"""Broken mechanisms of the executor: each lets a job be lost, doubled or left behind, or a foreign one be cancelled."""

from __future__ import annotations

from broken.mutant import EXECUTOR, Mutant

FAULTS = "test_submitit_faults.py"
CLIENTS = "test_submitit_clients.py"
LIMITS = "test_submitit_limits.py"
BAD_DAYS = f"{FAULTS}::test_promises_hold_on_bad_days"
FOUND = f"{FAULTS}::test_a_job_that_was_accepted_is_found_by_its_comment_and_not_submitted_again"
STEP = "test_submitit_life.py::test_the_next_step"
FOREIGN = f"{FAULTS}::test_a_number_that_belongs_to_another_job_is_not_cancelled"
SLOT = f"{FAULTS}::test_a_limit_on_submitted_jobs_means_waiting"
ASKED = f"{FAULTS}::test_the_queue_is_asked_and_the_accounts_only_about_what_it_does_not_list"
ACCOUNT = f"{FAULTS}::test_what_the_accounts_say_of_another_job_does_not_count"
AGAIN = f"{FAULTS}::test_a_site_that_does_not_requeue_gets_a_new_job_and_no_failure"
HANGS = f"{CLIENTS}::test_a_client_that_hangs_is_ended_with_all_that_it_started"
TIMED_OUT = f"{CLIENTS}::test_a_time_out_says_nothing_about_the_job"
ENVIRONMENT = f"{CLIENTS}::test_what_of_the_users_sbatch_variables_may_win"
REQUEUE = f"{CLIENTS}::test_a_requeue_is_asked_for_until_slurm_accepts_or_refuses_it"
LIMIT = f"{LIMITS}::test_what_no_partition_can_run_is_named_with_what_to_change"
RUNS = "test_submitit_runs.py"
PLAN = f"{LIMITS}::test_what_of_all_jobs_cannot_run_is_said_at_once_with_the_lines_of_a_profile"
GROUP = f"{LIMITS}::test_finished_members_of_a_group_are_left_out"


def broken(name: str, file: str, old: str, new: str, test: str, cheap: bool = False) -> Mutant:
    """A mutant of the executor."""
    return Mutant(name, file, old, new, (test,), cheap, EXECUTOR)


MUTANTS = (
    broken(
        "the queue is not searched before a second submission", "life.py",
        "    if seen.fresh:\n        return Decision(Step.SUBMIT)\n",
        "    if True:\n        return Decision(Step.SUBMIT)\n", FOUND, True,
    ),
    broken(
        "a job that sbatch may have accepted gets no time to appear", "life.py",
        "    if seen.called < patience.late:  # sbatch", "    if seen.called < -1:  # sbatch", STEP, True,
    ),
    broken(
        "any job in the queue is taken for ours", "observer.py",
        "entry for entry in queue if entry.comment == comment", "entry for entry in queue", BAD_DAYS,
    ),
    broken(
        "the accounts of any job with our number count", "observer.py",
        "if account and record.run not in account.source", "if account and False", ACCOUNT, True,
    ),
    broken(
        "jobs are cancelled by number alone", "keeper.py",
        'self.slurm.cancel([entry.job_id for entry in ours if entry.state != "COMPLETING"])',
        "self.slurm.cancel([life.record.job_id for life in lives if life.record and life.record.job_id])",
        FOREIGN, True,
    ),
    broken(
        "the record is dropped while the job's fate is unknown", "life.py",
        '    if state in ALIVE or state == "UNKNOWN":', "    if state in ALIVE:", STEP, True,
    ),
    broken(
        "a job that SLURM ended may come back", "life.py",
        "    if not seen.revoked:  # a job that SLURM", "    if False:  # a job that SLURM", BAD_DAYS,
    ),
    broken(
        "signs of life do not count", "life.py",
        "seen.begun is None or seen.outcome is not None or seen.left or seen.silent >= patience.silent", "True",
        BAD_DAYS,
    ),
    broken(
        "the next job is submitted while the last one stops", "life.py",
        "    if not is_silent(seen, patience):\n        return Decision(Step.WAIT)\n    return Decision(Step.DROP)",
        "    return Decision(Step.DROP)", STEP, True,
    ),
    broken(
        "a late job may work beside the next one", "runs.py",
        "        if not before.exists():\n            return None\n",
        "        if not before.exists():\n            before.touch()\n", BAD_DAYS,
    ),
    broken("two starts of one job work at a time", "runs.py",
           "lost = start > 0 and not self.left", "lost = False", BAD_DAYS),
    broken("second jobs of a submission stay in the queue", "life.py",
           "    if extra:\n", "    if False:\n", STEP, True),
    broken(
        "the record is not on disk before sbatch is called", "keeper.py",
        "        self._write(life, Record(work.name, work.command, name, self.observer.cluster, without=without))",
        "        life.record = Record(work.name, work.command, name, self.observer.cluster, without=without)", BAD_DAYS,
    ),
    broken("a limit on submitted jobs is a failure", "clients.py",
           "            return Kind.BUSY\n", "            return Kind.FINAL\n", SLOT, True),
    broken(
        "a time-out is a refusal", "clients.py",
        'no answer in {error.timeout:.0f} s", Kind.PASSING)', 'no answer in {error.timeout:.0f} s", Kind.FINAL)',
        TIMED_OUT, True,
    ),
    broken("only the accounts are asked", "observer.py",
           'answers.queue = self.call("squeue", self.slurm.queue)', "answers.queue = None", ASKED, True),
    broken("a hanging client leaves what it started", "clients.py",
           "            os.killpg(process.pid, signal.SIGKILL)", "            process.kill()", HANGS),
    broken("work that may not be requeued fails", "life.py",
           "    if seen.wishes or record.job_id", "    if record.job_id", AGAIN, True),
    broken("a variable of sbatch wins over a resource", "environment.py",
           "    decided = set(options) | NEVER", "    decided = set(NEVER)", ENVIRONMENT, True),
    broken("a forbidden requeue is asked for without end", "task.py",
           "                refusals += REFUSALS\n                continue\n", "                pass\n", REQUEUE, True),
    broken("a partition's time limit is not looked at", "limits.py",
           "each.minutes is not None and minutes > each.minutes", "False", LIMIT, True),
    broken("finished members of a group are made again", "nested.py",
           "        elif among and argument in done:\n            continue\n", "", GROUP, True),
    broken("of many rules with a problem the first alone is named", "limits.py",
           ", {})[rule] = None", ", {rule: None})", PLAN),
    broken("a change of threads bounds jobs that can run", "limits.py",
           "== max(threads.values()) >= others", "== max(threads.values())", PLAN),
    broken("a damaged record stands for nothing", "registry.py", "raise DamagedRecord(",
           "return None\n            raise DamagedRecord(",
           f"{RUNS}::test_a_damaged_record_is_named_and_nothing_is_submitted"),
    broken("logs that a record needs are removed", "runs.py",
           "if path.is_dir() and path.name not in needed", "if path.is_dir()",
           f"{RUNS}::test_what_stays_on_disk_is_bounded"),
    broken("a training that stops before the signal has failed", "task.py",
           "bool(code and (nested.stopping or nested.saved))", "bool(code and nested.stopping)",
           f"{RUNS}::test_a_program_that_stops_at_a_deadline_of_its_own_goes_on"),
    broken("a cancelled job comes back while nobody says that it was", "processes.py",
           'return state in ("RUNNING", "")', "return True",
           f"{CLIENTS}::test_a_job_that_got_sigterm_is_not_requeued_before_slurm_says_that_it_runs", True),
    broken("a scheduler that answers is out of reach", "observer.py",
           'self.works("any")\n            return\n', 'self.works("any")\n',
           "test_submitit_reach.py::test_it_is_out_of_reach_only_while_it_does_not_answer", True),
    broken("an end that is seen before its job is handed on", "executor.py",
           "            self._early[key] = end\n", "            pass\n",
           "test_submitit_ends.py::test_an_end_that_is_seen_before_its_job_is_handed_on_is_not_lost", True),
    broken("another main process waits for an end that was tidied away", "runs.py",
           '("_log.out", REQUEUES, RESULT)', '("_log.out", REQUEUES)',
           f"{RUNS}::test_another_main_process_still_learns_how_a_run_has_ended", True),
    broken("a run whose folder is gone is waited for", "runs.py",
           "                    (self.path / REVOKED).touch()\n", "                    break\n",
           f"{RUNS}::test_a_run_whose_files_are_gone_can_be_ended", True),
    broken("a full disk ends a training", "task.py",
           "        except OSError as error:  # a full disk must not end a training\n",
           "        except ValueError as error:\n", f"{RUNS}::test_a_folder_that_takes_nothing_more_ends_no_program"),
)  # fmt: skip
