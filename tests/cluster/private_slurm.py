"""A private SLURM in one folder: munge, MariaDB, slurmdbd, slurmctld and three virtual nodes with GPUs, on loopback.

Nothing outside its folder is used: its own munge key and socket, its own database on a socket, its own slurm.conf, free
ports. Every daemon is ended by its process id.
"""

from __future__ import annotations

import os
import shutil
import signal
import socket
import stat
import subprocess
import time
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path

NODES = ("n1", "n2", "n3")
GPUS = 2
CPUS = 16
MEMORY_MB = 24000
PROGRAMS = ("munged", "mariadbd", "mariadb-install-db", "slurmdbd", "slurmctld", "slurmd", "sbatch", "sacct")
CLIENTS = ("sbatch", "srun", "sacct", "sacctmgr", "squeue", "scancel", "scontrol", "sinfo", "sshare")
# Written for each client: finds the private cluster even where a program strips SLURM_* from the environment, notes
# every call, and fails as if the controller were gone while there is a file called `outage`. A file of its name in
# `hooks` is run in its place; it finds the true client in $PROGRAM.
CLIENT = """\
#!/bin/bash
echo "{name} $*" >> {folder}/calls.log
if [ -e {folder}/outage ]; then
    echo "{name}: error: Unable to contact slurm controller (connect failure)" >&2
    exit 1
fi
export SLURM_CONF={folder}/etc/slurm.conf PROGRAM={program}
if [ -e {folder}/hooks/{name} ]; then
    . {folder}/hooks/{name}
fi
exec {program} "$@"
"""
SLURM_CONF = """\
ClusterName=private
SlurmctldHost={host}(127.0.0.1)
SlurmctldPort={ctld}
SlurmUser=root
SlurmdUser=root
AuthType=auth/munge
# Credentials that expire soon: a requeued job may start again after 5 s instead of 120 s.
AuthInfo=socket={folder}/run/munge.sock,cred_expire=5
StateSaveLocation={folder}/state
SlurmdSpoolDir={folder}/spool/%n
SlurmctldPidFile={folder}/run/slurmctld.pid
SlurmdPidFile={folder}/run/slurmd-%n.pid
SlurmctldLogFile={folder}/log/slurmctld.log
SlurmdLogFile={folder}/log/slurmd-%n.log
ProctrackType=proctrack/linuxproc
TaskPlugin=task/none
# The nodes may claim more CPUs than this machine has.
SlurmdParameters=config_overrides
JobAcctGatherType=jobacct_gather/linux
MpiDefault=none
SwitchType=switch/none
SchedulerType=sched/backfill
SelectType=select/cons_tres
SelectTypeParameters=CR_Core_Memory
GresTypes=gpu
ReturnToService=2
KillWait=5
SlurmdTimeout=10
SchedulerParameters=batch_sched_delay=0,sched_interval=1,sched_min_interval=0,bf_interval=2
AccountingStorageType=accounting_storage/slurmdbd
AccountingStorageHost=127.0.0.1
AccountingStoragePort={dbd}
AccountingStoragePass={folder}/run/munge.sock
AccountingStorageTRES=gres/gpu
PreemptType=preempt/partition_prio
PreemptMode=REQUEUE
{nodes}
PartitionName=main Nodes=ALL Default=YES MaxTime=1440 PriorityTier=1 GraceTime=20 State=UP
PartitionName=cpu Nodes=ALL MaxTime=1440 PriorityTier=1 State=UP
PartitionName=high Nodes=ALL MaxTime=1440 PriorityTier=10 PreemptMode=OFF State=UP
"""
SLURMDBD_CONF = """\
DbdHost=localhost
DbdAddr=127.0.0.1
DbdPort={dbd}
SlurmUser=root
AuthType=auth/munge
AuthInfo=socket={folder}/run/munge.sock
LogFile={folder}/log/slurmdbd.log
PidFile={folder}/run/slurmdbd.pid
StorageType=accounting_storage/mysql
StorageHost=localhost
StorageUser=root
StorageLoc=slurm_acct
"""


class ClusterError(Exception):
    """The private cluster did not do as it was told; the message holds the end of the log that may say why."""


def why_not() -> str | None:
    """Why there can be no private cluster on this machine, or None."""
    missing = [name for name in PROGRAMS if _find(name) is None]
    if missing:
        return f"not installed: {', '.join(missing)} (Debian: slurm-wlm slurmdbd munge mariadb-server)"
    return None if os.geteuid() == 0 else "SLURM's daemons and device files need root"


class PrivateSlurm:
    """One cluster; the folder should be short, as sockets lie in it.

    Attributes:
        bin: folder with SLURM's clients, to be put first on PATH.
    """

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.bin = folder / "bin"
        self._children: list[subprocess.Popen[bytes]] = []
        self._environment = {
            **{name: value for name, value in os.environ.items() if not name.startswith("SLURM_")},
            "SLURM_CONF": str(folder / "etc/slurm.conf"),
            "MYSQL_UNIX_PORT": str(folder / "run/mysql.sock"),
        }

    def start(self) -> None:
        """Bring everything up; returns when every node is idle.

        Raises:
            ClusterError: if a part does not come up.
        """
        for name in (
            "bin",
            "hooks",
            "etc",
            "run",
            "log",
            "state",
            "mysql",
            "dev",
            *(f"spool/{node}" for node in NODES),
        ):
            (self.folder / name).mkdir(parents=True)
        self._configure()
        run = self.folder / "run"
        files = {"key-file": self.folder / "etc/munge.key", "socket": run / "munge.sock", "seed-file": run / "seed"}
        files |= {"pid-file": run / "munged.pid", "log-file": self.folder / "log/munged.log"}
        self._daemon("munged", "--force", *(f"--{name}={path}" for name, path in files.items()))
        self._database()
        self._wait_for(
            lambda: self._answers("mariadb-admin", "--no-defaults", f"--socket={run}/mysql.sock", "ping"), "mariadbd"
        )
        self._daemon("slurmdbd")
        self._wait_for(lambda: self._answers("sacctmgr", "--noheader", "list", "cluster"), "slurmdbd")
        self._run("sacctmgr", "--immediate", "add", "cluster", "private")
        self._run("sacctmgr", "--immediate", "add", "account", "science")
        self._run("sacctmgr", "--immediate", "add", "user", "root", "account=science")
        self.start_controller()
        for node in NODES:
            self.start_node(node)
        self._wait_for(lambda: all(self.node_state(node) == "idle" for node in NODES), "slurmctld")

    def stop(self) -> None:
        """End every daemon, the ones that use others first."""
        for names in ([f"slurmd-{node}" for node in NODES], ["slurmctld"], ["slurmdbd"], ["mariadbd", "munged"]):
            for name in names:
                self._signal(name, signal.SIGTERM)
            for name in names:
                self._wait_for(lambda name=name: self._pid(name) is None, name)
        for child in self._children:
            child.wait(60)

    def start_controller(self) -> None:
        """Start slurmctld, with the state it saved."""
        self._daemon("slurmctld")
        self._wait_for(lambda: "UP" in self.says("scontrol", "ping"), "slurmctld")

    def stop_controller(self) -> None:
        """Stop slurmctld; jobs go on."""
        self._signal("slurmctld", signal.SIGTERM)
        self._wait_for(lambda: self._pid("slurmctld") is None, "slurmctld")

    def start_node(self, node: str) -> None:
        """Start a node's slurmd."""
        self._daemon("slurmd", "-N", node)

    def crash_node(self, node: str) -> None:
        """End a node as a loss of power does: its slurmd, the keepers of its jobs, and then the jobs themselves."""
        self._signal(f"slurmd-{node}", signal.SIGKILL)
        jobs = self._job_processes(node)
        keepers = {parent for parent in map(_parent, jobs) if _name(parent) == "slurmstepd"}
        for pid in [*keepers, *jobs]:
            with suppress(ProcessLookupError):
                os.kill(pid, signal.SIGKILL)
        self._run("scontrol", "update", f"nodename={node}", "state=down", "reason=crash")

    def resume_node(self, node: str) -> None:
        """Bring a crashed node back."""
        self._wait_for(lambda: self._pid(f"slurmd-{node}") is None, f"slurmd-{node}")
        self.start_node(node)
        self._run("scontrol", "update", f"nodename={node}", "state=resume")
        self._wait_for(lambda: self.node_state(node) in ("idle", "mixed", "allocated"), "slurmctld")

    def node_state(self, node: str) -> str:
        """Short state of a node, such as idle."""
        return self.says("sinfo", "--noheader", "--partition=main", f"--nodes={node}", "--format=%T").strip()

    def says(self, *command: str) -> str:
        """Output of a command, or nothing if it fails."""
        result = self._call(*command)
        return result.stdout if result.returncode == 0 else ""

    def jobs(self, fields: str = "JobID,JobName,State", **filters: str) -> list[list[str]]:
        """What the accounts say: a row for each job, without steps."""
        more = [f"--{name}={value}" for name, value in filters.items()]
        text = self._run("sacct", "-X", "-n", "-P", "--starttime=now-1days", f"--format={fields}", *more)
        return [line.split("|") for line in text.splitlines()]

    def booked(self, fields: str, *jobs: str) -> list[list[str]]:
        """What the accounts say of jobs that have ended, once they say so of each: a busy machine writes late.

        Raises:
            ClusterError: if they do not within a minute.
        """
        only = {"jobs": ",".join(jobs)}
        unsettled = ("PENDING", "RUNNING", "REQUEUED", "SUSPENDED", "RESIZING")

        def settled() -> bool:
            # an end may be written before its beginning: the job then has no partition, and a name that is not its own
            found = {job: (state, partition) for job, state, partition in self.jobs("JobID,State,Partition", **only)}
            said = [found.get(job, ("PENDING", "")) for job in jobs]
            return all(state not in unsettled and partition for state, partition in said)

        self._wait_for(settled, "slurmdbd")
        rows = {row[0]: row[1:] for row in self.jobs(f"JobID,{fields}", **only)}
        return [rows[job] for job in jobs]

    def queue(self) -> list[list[str]]:
        """Id, name and state of each job in the queue."""
        return [line.split("|") for line in self._run("squeue", "--noheader", "--format=%i|%j|%T").splitlines()]

    def until_idle(self) -> None:
        """Wait until no job is left in the queue.

        Raises:
            ClusterError: if one is after two minutes.
        """
        self._wait_for(lambda: not self.queue(), "slurmctld", 120)

    def control(self, *words: str) -> str:
        """Run scontrol.

        Raises:
            ClusterError: if it fails.
        """
        return self._run("scontrol", *words)

    def calls(self) -> list[str]:
        """Every call of a client through `bin` so far."""
        path = self.folder / "calls.log"
        return path.read_text().splitlines() if path.exists() else []

    def _configure(self) -> None:
        etc = self.folder / "etc"
        key = etc / "munge.key"
        key.write_bytes(os.urandom(128))
        key.chmod(0o400)
        ports = _free_ports(2 + len(NODES))
        values = {"folder": self.folder, "host": socket.gethostname().split(".")[0], "ctld": ports[0], "dbd": ports[1]}
        nodes = "\n".join(
            f"NodeName={node} NodeHostname={values['host']} NodeAddr=127.0.0.1 Port={port} CPUs={CPUS} "
            f"RealMemory={MEMORY_MB} Gres=gpu:a100:{GPUS} State=UNKNOWN"
            for node, port in zip(NODES, ports[2:], strict=True)
        )
        (etc / "slurm.conf").write_text(SLURM_CONF.format(nodes=nodes, **values))
        (etc / "slurmdbd.conf").write_text(SLURMDBD_CONF.format(**values))
        (etc / "slurmdbd.conf").chmod(0o600)
        for number in range(GPUS):  # SLURM counts devices only: these are /dev/null by another name
            os.mknod(self.folder / f"dev/nvidia{number}", 0o666 | stat.S_IFCHR, os.makedev(1, 3))
        devices = f"{self.folder}/dev/nvidia[0-{GPUS - 1}]"
        (etc / "gres.conf").write_text(f"NodeName={','.join(NODES)} Name=gpu Type=a100 File={devices}\n")
        for name in CLIENTS:
            client = self.bin / name
            client.write_text(CLIENT.format(name=name, folder=self.folder, program=_find(name)))
            client.chmod(0o755)

    def _database(self) -> None:
        data, run = self.folder / "mysql", self.folder / "run"
        self._run(
            *("mariadb-install-db", "--no-defaults", f"--datadir={data}", "--user=root", "--skip-test-db"),
            *("--auth-root-authentication-method=socket", "--innodb-use-native-aio=0", f"--tmpdir={run}"),
        )
        self._daemon(
            *("mariadbd", "--no-defaults", "--user=root", f"--datadir={data}", f"--socket={run}/mysql.sock"),
            *(
                f"--pid-file={run}/mariadbd.pid",
                f"--tmpdir={run}",
                "--skip-networking",
                "--skip-log-bin",
                "--innodb-use-native-aio=0",
            ),
            *("--innodb-buffer-pool-size=64M", "--innodb-flush-log-at-trx-commit=2", "--innodb-lock-wait-timeout=900"),
        )

    def _daemon(self, name: str, *arguments: str) -> None:
        """Start a daemon; most leave the foreground by themselves, and so end as our children."""
        command = [str(_find(name)), *arguments]
        with (self.folder / f"log/{name}.out").open("ab") as log:
            self._children.append(
                subprocess.Popen(command, env=self._environment, stdout=log, stderr=log, start_new_session=True)
            )

    def _call(self, *command: str) -> subprocess.CompletedProcess[str]:
        words = [str(_find(command[0])), *command[1:]]
        return subprocess.run(words, env=self._environment, capture_output=True, text=True, timeout=60, check=False)

    def _answers(self, *command: str) -> bool:
        return self._call(*command).returncode == 0

    def _run(self, *command: str) -> str:
        result = self._call(*command)
        if result.returncode:
            raise ClusterError(f"{' '.join(command)}: {result.stdout}{result.stderr}")
        return result.stdout

    def _pid(self, name: str) -> int | None:
        """Process id of a daemon, if it runs; a zombie does not."""
        path = self.folder / f"run/{name}.pid"
        try:
            pid = int(path.read_text())
            state = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0]
        except (OSError, ValueError):
            return None
        return None if state == "Z" else pid

    def _signal(self, name: str, number: signal.Signals) -> None:
        pid = self._pid(name)
        if pid:
            os.kill(pid, number)

    def _job_processes(self, node: str) -> list[int]:
        """Processes of the jobs on a node."""
        found = []
        for path in Path("/proc").glob("[0-9]*/environ"):
            try:
                words = path.read_bytes().split(b"\0")
            except OSError:
                continue
            if (
                f"SLURMD_NODENAME={node}".encode() in words
                and f"SLURM_CONF={self.folder}/etc/slurm.conf".encode() in words
            ):
                found.append(int(path.parent.name))
        return found

    def _wait_for(self, condition: Callable[[], object], name: str, seconds: float = 60) -> None:
        end = time.monotonic() + seconds
        while not condition():
            if time.monotonic() > end:
                raise ClusterError(f"{name} is not as it should be after {seconds:.0f} s: {self._log(name)}")
            time.sleep(0.05)

    def _log(self, name: str) -> str:
        paths = [self.folder / f"log/{name}{suffix}" for suffix in (".log", ".out")]
        return "\n".join("\n".join(path.read_text().splitlines()[-10:]) for path in paths if path.exists())


def _find(name: str) -> str | None:
    """Where a program is; daemons lie where a user's PATH does not lead."""
    return shutil.which(name, path=os.pathsep.join([os.environ.get("PATH", ""), "/usr/sbin", "/sbin"]))


def _parent(pid: int) -> int:
    try:
        return int(Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[1])
    except OSError:
        return 0


def _name(pid: int) -> str:
    try:
        return Path(f"/proc/{pid}/comm").read_text().strip()
    except OSError:
        return ""


def _free_ports(count: int) -> list[int]:
    sockets = [socket.socket() for _ in range(count)]
    try:
        for each in sockets:
            each.bind(("127.0.0.1", 0))
        return [each.getsockname()[1] for each in sockets]
    finally:
        for each in sockets:
            each.close()
