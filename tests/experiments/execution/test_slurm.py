"""A recipe on a real SLURM of two nodes: jobs that are requeued, signalled, cancelled and killed change no byte.

``make test-slurm`` runs this alone; it is skipped where the packages of Debian cannot be installed.
"""

import os
import shlex
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager, suppress
from pathlib import Path

import pytest
import torch

from nmt_prune.processes import HAS_STOPPED
from tests.experiments.execution.slurm_nodes import NODES, install, slurm_nodes
from tests.experiments.recipes import run_in_one_process
from tests.ports import free_ports
from tests.programs import REPOSITORY
from tests.tasks.corpus import make_corpus
from tests.tasks.test_data_parallel import GLOO, assert_equal_workers
from tests.tasks.training import arguments, assert_same, load
from tests.waiting import wait_until

pytestmark = pytest.mark.slow

RECIPE = """
name: small
corpus: {name: numbers, vocab_size: 100, size: 400, valid_size: 10, test_size: 10}
model:
  arch: masked_transformer_tiny
  encoder-embed-dim: 32
  decoder-embed-dim: 32
  encoder-layers: 1
  decoder-layers: 1
  share-all-embeddings: true
training:
  max-update: 300
  max-tokens: 400
  optimizer: adam
  lr: 0.004
  lr-scheduler: inverse_sqrt
  warmup-updates: 50
  criterion: label_smoothed_cross_entropy
  label-smoothing: 0.1
  log-interval: 5
  validate-interval: 1000
  save-interval: 1000
  eval-bleu-args: {beam: 1, max_len_a: 1.2, max_len_b: 10}
ladder: [50]
techniques: [gmp]
resources: {mem_mb: 500, runtime: 10, slurm_partition: main}
"""
IMPATIENT = "tests.experiments.execution.impatient"
LONGEST = 300.0  # seconds that a busy machine may take for a job
A_SECOND = 1.1  # a node takes a job queued again within one for the revoked one, and fails it: SLURM waits two minutes
NAMES = ("dense-seed1", "gmp-50-seed1")


class Cluster:
    """The recipe in a folder, and the SLURM that runs it."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        folder.mkdir()
        (folder / "small.yaml").write_text(RECIPE, encoding="utf-8")

    def submit(self, *words: str) -> "subprocess.Popen[str]":
        """Starts ``nmt-prune run`` on the cluster, with further arguments of Snakemake."""
        command = [sys.executable, "-m", IMPATIENT, "run", "small.yaml", "--executor", "slurm", "--", *words]
        environment = {**os.environ, "PYTHONPATH": str(REPOSITORY)}
        pipes = {"stdout": subprocess.PIPE, "stderr": subprocess.STDOUT, "text": True}
        return subprocess.Popen(command, cwd=self.folder, env=environment, **pipes)

    def say(self, *command: str) -> str:
        """What a command of SLURM prints."""
        done = subprocess.run(command, capture_output=True, text=True)
        assert done.returncode == 0, done.stderr
        return done.stdout.strip()

    def jobs(self) -> dict[str, str]:
        """All jobs that wait or run, by what they do."""
        lines = self.say("squeue", "--noheader", "--format=%k %i").splitlines()
        return dict(line.removeprefix("rule_").split() for line in lines)

    def at_once(self, job: str) -> bool:
        """Has a job that is queued again begin now and not in two minutes; whether it was."""
        is_queued = self.say("squeue", "--noheader", "--format=%T", f"--jobs={job}") == "PENDING"
        if is_queued:
            time.sleep(A_SECOND)
            self.say("scontrol", "update", f"JobId={job}", "StartTime=now")
        return is_queued

    def run(self, name: str) -> Path:
        """The folder of a run."""
        return self.folder / "runs" / "small" / name

    def log(self, name: str) -> str:
        """What the trainings of a run have said."""
        path = self.run(name) / "train.log"
        return path.read_text() if path.exists() else ""

    def starts(self, name: str) -> int:
        """How often a training was started and has done an update."""
        return sum("num_updates=" in said for said in self.log(name).split("training on 1 devices"))

    def step(self, name: str) -> int:
        """The process whose child trains."""
        return int((self.run(name) / ".lock").read_text().split()[0])

    @contextmanager
    def held(self, name: str) -> Iterator[None]:
        """Has a training wait, which could end before anything strikes it."""
        step = self.step(name)
        (training,) = Path(f"/proc/{step}/task/{step}/children").read_text().split()
        os.kill(int(training), signal.SIGSTOP)
        try:
            yield
        finally:
            with suppress(ProcessLookupError):  # SLURM has let it go on, for it to end
                os.kill(int(training), signal.SIGCONT)

    def is_trained(self) -> bool:
        """Whether all trainings are done."""
        return all((self.run(name) / "trained.json").exists() for name in NAMES)

    def models(self) -> dict[str, dict[str, torch.Tensor]]:
        """All weights and masks that the runs have ended with."""
        files = [self.run(name) / f"checkpoint_{which}.pt" for name in NAMES for which in ("last", "best")]
        return {f"{file.parent.name}/{file.name}": load(file)["model"] for file in files}


@pytest.fixture(scope="module")
def _slurm(tmp_path_factory) -> Iterator[None]:
    install()
    with slurm_nodes(tmp_path_factory.mktemp("slurm")):
        yield


@pytest.fixture
def cluster(_slurm, tmp_path) -> Cluster:
    return Cluster(tmp_path / "cluster")


def follow(process: "subprocess.Popen[str]", condition: Callable[[], bool]) -> None:
    """Waits while a process runs."""
    deadline = time.monotonic() + LONGEST
    while not condition():
        assert process.poll() is None, process.stdout.read()
        assert time.monotonic() < deadline, "it took too long"
        time.sleep(0.05)


def end(process: "subprocess.Popen[str]") -> tuple[int, str]:
    """The exit status of a process, and what it printed."""
    said, _ = process.communicate(timeout=LONGEST)
    return process.returncode, said


def test_a_recipe_survives_its_scheduler(cluster, tmp_path):
    dense, pruned = NAMES
    undisturbed = Cluster(tmp_path / "local")
    assert run_in_one_process(undisturbed.folder, RECIPE).returncode == 0
    with ExitStack() as stack:
        run = stack.enter_context(cluster.submit())
        stack.callback(run.terminate)

        follow(run, lambda: cluster.starts(dense) == 1)
        job = cluster.jobs()[f"train_{dense}"]
        assert "gpu:1" in cluster.say("scontrol", "show", "job", job)
        with cluster.held(dense):
            cluster.say("scontrol", "requeue", job)  # as preemption does: SIGTERM, and the job is queued again
        follow(run, lambda: cluster.at_once(job))
        follow(run, lambda: cluster.starts(dense) == 2)
        with cluster.held(dense):
            cluster.say("scancel", "--signal=USR1", job)  # as before the end of its time: the job queues itself again
        follow(run, lambda: cluster.at_once(job))
        follow(run, lambda: cluster.starts(pruned) == 1)
        with cluster.held(pruned):
            run.terminate()  # which cancels the jobs
            assert end(run)[0] == 130
        wait_until(lambda: not cluster.jobs())
        assert cluster.log(dense).count(HAS_STOPPED) == 2
        assert cluster.log(pruned).count(HAS_STOPPED) == 1

        run = stack.enter_context(cluster.submit("--retries", "1"))
        stack.callback(run.terminate)
        follow(run, lambda: cluster.starts(pruned) == 2)
        with cluster.held(pruned):
            os.kill(cluster.step(pruned), signal.SIGKILL)  # as when memory runs out; Snakemake submits the job again
        follow(run, lambda: cluster.is_trained() and (cluster.run(dense) / "scores.json").exists())
        assert cluster.starts(pruned) == 3
        assert cluster.log(pruned).count(HAS_STOPPED) == 1
    for file, model in undisturbed.models().items():
        assert_same(model, cluster.models()[file])


@pytest.mark.usefixtures("_slurm")
def test_processes_on_several_nodes_train_together(tmp_path):
    """As fairseq has it: SLURM starts the processes, which find each other by its variables."""
    try:
        socket.gethostbyname(NODES[0])
    except OSError as error:
        pytest.skip(f"nobody knows this machine by its name: {error}")
    flags = f"--schedule cubic:interval=2 --sparsity 0.8 --max-update 10 --distributed-port {free_ports(1)[0]}"
    own = GLOO.replace("size 2", "size 4").replace("--distributed-no-spawn", "")
    words = arguments(make_corpus(tmp_path), tmp_path / "run", flags, own)
    command = shlex.join([sys.executable, "-m", "tests.tasks.worker", f"{tmp_path}/RANK.pt", "0", *words])
    shell = f"exec {command.replace('RANK', '$SLURM_PROCID')}"
    job = ["srun", "--nodes=2", "--ntasks-per-node=2", f"--chdir={REPOSITORY}", "bash", "-c", shell]
    done = subprocess.run(job, capture_output=True, text=True, timeout=LONGEST)
    assert done.returncode == 0, done.stderr[-2000:]
    assert_equal_workers([load(tmp_path / f"{rank}.pt") for rank in range(4)], tmp_path, 0.8)
