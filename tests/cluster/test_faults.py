"""What a real cluster does on bad days, on the private one: clients that lie, limits, environments, refusals."""

from __future__ import annotations

from counting import STEPS, WORK, config, counted, job_of, starts, until_counting, usr2
from private_slurm import PrivateSlurm
from snakemake_run import SUBMITIT, Run


def test_a_job_that_sbatch_denies_is_found_and_runs_once(begun: Run, slurm: PrivateSlurm, hook) -> None:
    once = slurm.folder / "once"
    denies = 'if [ ! -e {once} ]; then touch {once}; $PROGRAM "$@" > /dev/null; echo "sbatch: error: Batch job '
    denies += 'submission failed: Socket timed out on send/recv operation" >&2; exit 1; fi'
    hook("sbatch", denies.format(once=once))
    before = len(slurm.calls())
    begun.run(*WORK)
    assert sum(call.startswith("sbatch") for call in slurm.calls()[before:]) == 1
    assert "whether there is a job of work is looked up before trying again" in begun.log
    assert len(starts(begun)) == 1


def test_accounts_down_or_queue_down_end_nothing(begun: Run, slurm: PrivateSlurm, hook) -> None:
    down = 'echo "error: Problem talking to the database: Connection refused" >&2; exit 1'
    hook("sacct", down)
    begun.run(*WORK, *config(steps=4))
    hook("sacct", "").unlink()
    (begun.folder / "work.txt").unlink()
    (begun.folder / "state").unlink()
    hook("squeue", down)
    begun.run(*WORK, *config(steps=4))
    assert len(starts(begun)) == 2


def test_the_environment_does_not_win_and_a_precommand_is_run(begun: Run, slurm: PrivateSlurm) -> None:
    """Also: a rule's own srun reaches every node; `module` is a function of the user's shell, as sites define it."""
    variables = {"SBATCH_PARTITION": "high", "SBATCH_TIMELIMIT": "1", "SBATCH_EXPORT": "NONE", "SBATCH_NO_REQUEUE": "1"}
    variables |= {"SBATCH_MEM_PER_NODE": "17", "SQUEUE_PARTITION": "high", "SBATCH_SIGNAL": "USR1@5"}
    shell = {"BASH_FUNC_module%%": "() {  export MARK=$2\n}", "CONDA_PREFIX": "/opt/conda/envs/lab"}
    begun.start(*SUBMITIT, "srun.txt", "--precommand", "module load cuda", **variables, **shell)
    assert begun.wait() == 0, begun.log
    assert sorted(begun.lines("srun.txt")) == ["0", "1"]
    assert begun.lines("mark.txt") == ["cuda /opt/conda/envs/lab"]
    (job,) = {line.split()[6].rstrip(",") for line in begun.log.splitlines() if "(own_srun) is SLURM job" in line}
    assert slurm.booked("Partition,Timelimit", job) == [["main", "00:05:00"]]
    assert "Requeue=1" in slurm.control("show", "job", job)
    for name in variables:
        assert (f"{name}=" in begun.log) == name.startswith("SBATCH"), name


def test_where_requeues_are_forbidden_the_work_goes_on_in_a_new_job(begun: Run, slurm: PrivateSlurm) -> None:
    begun.start(*WORK, *config(steps=STEPS, extra="--no-requeue"))
    until_counting(begun)
    usr2(slurm, job_of(begun))
    assert begun.wait() == 0, begun.log
    assert len({job for job, _ in starts(begun)}) == 2
    assert counted(begun) == list(range(1, STEPS + 1))
    assert "goes on in a new job; this is no failure" in begun.log
    assert begun.log.count("Error in rule") == 0


def test_finished_members_of_a_stopped_group_are_not_made_again(begun: Run, slurm: PrivateSlurm) -> None:
    begun.start(*SUBMITIT, "slow.txt", *config(steps=STEPS))
    until_counting(begun)
    usr2(slurm, job_of(begun))
    assert begun.wait() == 0, begun.log
    assert len(starts(begun)) == 2
    assert begun.lines("quick.journal") == ["once"]


def test_retries_count_once(toy: Run) -> None:
    assert toy.start(*SUBMITIT, "tried.txt").wait() == 1
    assert toy.lines("tries.journal") == ["300", "300"]


def test_a_program_that_dies_of_the_signal_is_not_run_again(begun: Run, slurm: PrivateSlurm) -> None:
    begun.start(*SUBMITIT, "quits.txt")
    log = ".snakemake/submitit/runs"
    begun.until(lambda: any("1" in p.read_text().splitlines() for p in (begun.folder / log).glob("*/*.out")), "it runs")
    ((job, *_),) = slurm.queue()
    usr2(slurm, job)
    assert begun.wait() == 1
    assert begun.lines("quits.journal") == ["once"]
    assert "no program ended with exit code 75" in begun.log


def test_a_limit_is_named_before_submission_or_while_the_job_waits(toy: Run, slurm: PrivateSlurm) -> None:
    """A partition with a limit of a day: what the literal command of a newcomer meets."""
    long = ("begin.txt", "--set-resources", "begin:runtime=2000")
    assert toy.start(*SUBMITIT, *long).wait() == 1
    assert "runtime=2000 minutes is more than its time limit of 1440: --set-resources begin:runtime=1440" in toy.log
    assert "Lines of the profile that mend it" in toy.log
    assert "  begin: {runtime: 1440}\n" in toy.log
    assert not slurm.queue()
    toy.start(*SUBMITIT, *long, "--submitit-no-limit-check")
    toy.until(lambda: "PENDING (PartitionTimeLimit): its runtime is beyond" in toy.log, "the reason is given")
    ((job, *_),) = slurm.queue()
    slurm.control("uhold", job)
    toy.until(lambda: f"`scontrol release {job}`" in toy.log, "it is said that the job is held")
    assert slurm.says("scancel", job) == ""
    assert toy.wait() == 1
    assert f"SLURM job {job}: it was cancelled" in toy.log
