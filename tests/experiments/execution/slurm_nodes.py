"""A SLURM of two nodes on the loopback, with a GPU each that is none; all that stays of it are Debian's packages."""

import os
import shutil
import signal
import socket
import subprocess
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager, suppress
from pathlib import Path

import pytest

from tests.ports import free_ports

PACKAGES = ("slurm-wlm", "munge")
DAEMONS = ("munged", "slurmctld", "slurmd")
HOST = socket.gethostname().partition(".")[0]
NODES = (HOST, f"{HOST}-2")  # processes that train together ask the first in the alphabet by its name
FOLDER = Path("/etc/slurm")  # the plugin's jobs look nowhere else
MARK = "# Of a test that was killed, if no test runs.\n"
CLUSTER = f"test{os.getpid()}"
CONFIGURATION = """ClusterName={cluster}
SlurmctldHost={host}(127.0.0.1)
SlurmctldPort={ports[0]}
SlurmUser=root
SlurmdUser=root
AuthType=auth/munge
AuthInfo=socket={folder}/munge.socket
ProctrackType=proctrack/linuxproc
TaskPlugin=task/none
MpiDefault=none
JobAcctGatherType=jobacct_gather/none
AccountingStorageType=accounting_storage/none
SelectType=select/cons_tres
SelectTypeParameters=CR_Core
StateSaveLocation={folder}/state
SlurmdSpoolDir={folder}/spool/%n
SlurmctldPidFile={folder}/slurmctld.pid
SlurmdPidFile={folder}/slurmd.%n.pid
MailProg=/bin/true
KillWait=60
SchedulerParameters=bf_interval=1
GresTypes=gpu
NodeName={nodes[0]} NodeHostname={host} NodeAddr=127.0.0.1 Port={ports[1]} CPUs=2 RealMemory=1000 Gres=gpu:1
NodeName={nodes[1]} NodeHostname={host} NodeAddr=127.0.0.1 Port={ports[2]} CPUs=2 RealMemory=1000 Gres=gpu:1
PartitionName=main Nodes=ALL Default=YES MaxTime=60 State=UP
"""
GPUS = """AutoDetect=off
Name=gpu File=/dev/null
"""
LONGEST = 60.0  # seconds until the nodes take jobs


def install() -> None:
    """Installs SLURM, or skips the test where that cannot be."""
    if os.geteuid() or not Path("/etc/debian_version").exists():
        pytest.skip("a SLURM of its own needs root on Debian")
    for file in (FOLDER / "slurm.conf", FOLDER / "gres.conf"):
        if file.exists() and not file.read_text().startswith(MARK):
            pytest.skip(f"{file} is there: this machine has a SLURM already")
    if any(shutil.which(daemon) is None for daemon in DAEMONS):
        environment = {**os.environ, "DEBIAN_FRONTEND": "noninteractive"}
        with _no_services():
            for words in (["update"], ["install", "--yes", "--no-install-recommends", *PACKAGES]):
                command = ["apt-get", "-q", *words]
                try:
                    done = subprocess.run(command, env=environment, capture_output=True, text=True, timeout=300)
                except subprocess.TimeoutExpired:
                    pytest.skip(f"{' '.join(command)} does not end")
                if done.returncode:
                    pytest.skip(f"{' '.join(command)}: {(done.stderr.strip().splitlines() or ['failed'])[-1]}")


@contextmanager
def _no_services() -> Iterator[None]:
    """Keeps the packages from starting daemons of their own."""
    policy = Path("/usr/sbin/policy-rc.d")
    if policy.exists():
        yield
        return
    policy.write_text("#!/bin/sh\nexit 101\n")
    policy.chmod(0o755)
    try:
        yield
    finally:
        policy.unlink()


@contextmanager
def slurm_nodes(folder: Path) -> Iterator[None]:
    """Starts the daemons, and stops them with all jobs in the end."""
    for name in ("state", *(f"spool/{node}" for node in NODES)):
        (folder / name).mkdir(parents=True)
    key = folder / "munge.key"
    key.write_bytes(os.urandom(128))
    key.chmod(0o600)
    munged = ["munged", "--foreground", "--force", f"--key-file={key}"]  # --force: whoever may see the folder
    munged += [f"--{name}-file={folder}/munge.{name}" for name in ("pid", "seed", "log")]
    configuration = CONFIGURATION.format(cluster=CLUSTER, folder=folder, host=HOST, nodes=NODES, ports=free_ports(3))
    with ExitStack() as stack:
        for name, text in {"slurm.conf": configuration, "gres.conf": GPUS}.items():
            (FOLDER / name).write_text(MARK + text)
            stack.callback((FOLDER / name).unlink)
        commands = {"munged": [*munged, f"--socket={folder}/munge.socket"], "slurmctld": ["slurmctld", "-D"]}
        commands |= {node: ["slurmd", "-D", "-N", node] for node in NODES}
        for name, command in commands.items():
            stack.enter_context(_daemon(command, folder / f"{name}.out"))
            time.sleep(0.5)  # what comes next asks it at once
        if failure := _wait_for("idle", ["sinfo", "--noheader", "--format=%T"], folder):
            pytest.skip(f"SLURM does not start here: {failure}")
        try:
            yield
        finally:
            subprocess.run(["scancel", "--user=root"])
            failure = _wait_for("", ["squeue", "--noheader"], folder)
            _kill_what_is_left()
            if failure:
                pytest.fail(failure)


def _kill_what_is_left() -> None:
    """Ends what has outlived its job: a Snakemake asked to stop while it holds its own lock waits for ever."""
    for process in Path("/proc").glob("[0-9]*"):
        with suppress(OSError):  # it has ended
            if f"SLURM_CLUSTER_NAME={CLUSTER}".encode() in (process / "environ").read_bytes().split(b"\0"):
                os.kill(int(process.name), signal.SIGKILL)


@contextmanager
def _daemon(command: list[str], log: Path) -> Iterator[None]:
    with log.open("wb") as output:
        process = subprocess.Popen(command, stdout=output, stderr=subprocess.STDOUT)
    try:
        yield
    finally:
        process.terminate()
        try:
            process.wait(timeout=10)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()


def _wait_for(answer: str, command: list[str], folder: Path) -> str:
    """Waits until a command says something; returns what it says instead, with the daemons' logs."""
    deadline, said = time.monotonic() + LONGEST, ""
    while (said := _answer(command)) != answer:
        if time.monotonic() > deadline:
            logs = "\n".join(f"{path.name}: {path.read_text()[-1000:]}" for path in folder.glob("*.out"))
            return f"{command[0]} says {said!r}, not {answer!r}\n{logs}"
        time.sleep(0.2)
    return ""


def _answer(command: list[str]) -> str:
    done = subprocess.run(command, capture_output=True, text=True)
    return done.stdout.strip() if done.returncode == 0 else done.stderr.strip()
