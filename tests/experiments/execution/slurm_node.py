"""A SLURM of one node on the loopback, of Debian's packages; all that stays of it are the packages."""

import os
import shutil
import socket
import subprocess
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path

import pytest

PACKAGES = ("slurm-wlm", "munge")
DAEMONS = ("munged", "slurmctld", "slurmd")
CONFIGURATION_FILE = Path("/etc/slurm/slurm.conf")  # the plugin's jobs look nowhere else
CONFIGURATION = """# Of a test that was killed, if no test runs.
ClusterName=test
SlurmctldHost={host}(127.0.0.1)
SlurmctldPort={ports[0]}
SlurmdPort={ports[1]}
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
SlurmdSpoolDir={folder}/spool
SlurmctldPidFile={folder}/slurmctld.pid
SlurmdPidFile={folder}/slurmd.pid
MailProg=/bin/true
KillWait=60
SchedulerParameters=bf_interval=1
NodeName={host} NodeAddr=127.0.0.1 CPUs=2 RealMemory=2000
PartitionName=main Nodes=ALL Default=YES MaxTime=60 State=UP
"""
LONGEST = 60.0  # seconds until the node takes jobs


def install() -> None:
    """Installs SLURM, or skips the test where that cannot be."""
    if os.geteuid() or not Path("/etc/debian_version").exists():
        pytest.skip("a SLURM of its own needs root on Debian")
    if CONFIGURATION_FILE.exists() and not _is_ours():
        pytest.skip(f"{CONFIGURATION_FILE} is there: this machine has a SLURM already")
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


def _is_ours() -> bool:
    return CONFIGURATION_FILE.read_text().startswith(CONFIGURATION.splitlines()[0])


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
def slurm_node(folder: Path) -> Iterator[None]:
    """Starts the daemons, and stops them with all jobs in the end."""
    (folder / "state").mkdir()
    (folder / "spool").mkdir()
    key = folder / "munge.key"
    key.write_bytes(os.urandom(128))
    key.chmod(0o600)
    host = socket.gethostname().partition(".")[0]
    munged = ["munged", "--foreground", "--force", f"--key-file={key}"]  # --force: whoever may see the folder
    munged += [f"--{name}-file={folder}/munge.{name}" for name in ("pid", "seed", "log")]
    with ExitStack() as stack:
        CONFIGURATION_FILE.write_text(CONFIGURATION.format(folder=folder, host=host, ports=_free_ports()))
        stack.callback(CONFIGURATION_FILE.unlink)
        for command in (
            [*munged, f"--socket={folder}/munge.socket"],
            ["slurmctld", "-D"],
            ["slurmd", "-D", "-N", host],
        ):
            stack.enter_context(_daemon(command, folder / f"{command[0]}.out"))
            time.sleep(0.5)  # what comes next asks it at once
        if failure := _wait_for("idle", ["sinfo", "--noheader", "--format=%T"], folder):
            pytest.skip(f"SLURM does not start here: {failure}")
        try:
            yield
        finally:
            subprocess.run(["scancel", "--user=root"])
            if failure := _wait_for("", ["squeue", "--noheader"], folder):
                pytest.fail(failure)


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


def _free_ports() -> list[int]:
    listeners = [socket.socket() for _ in range(2)]
    for listener in listeners:
        listener.bind(("127.0.0.1", 0))
    ports = [listener.getsockname()[1] for listener in listeners]
    for listener in listeners:
        listener.close()
    return ports
