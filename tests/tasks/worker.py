"""One of several data-parallel processes: ``python -m tests.tasks.worker STATE_FILE DELAY fairseq-train-arguments``.

At the end the process saves its own model and its optimizer's moments, which fairseq does only on the first one.
"""

import sys
import time

import torch
from fairseq.trainer import Trainer
from fairseq_cli.train import cli_main

import nmt_prune.models.masked_transformer  # noqa: F401  (--user-dir registers nothing for a package already imported)
from nmt_prune.tasks import translation_pruning


def main() -> None:
    state_file, delay, *arguments = sys.argv[1:]
    trainers: list[Trainer] = []
    build_trainer, start = Trainer.__init__, translation_pruning.start

    def remember(trainer: Trainer, *rest: object) -> None:
        trainers.append(trainer)
        build_trainer(trainer, *rest)

    def start_late(*rest: object) -> object:
        time.sleep(float(delay))
        return start(*rest)

    Trainer.__init__, translation_pruning.start = remember, start_late
    if not torch.cuda.is_available():
        torch.cuda.set_device = lambda device: None  # fairseq asks for it in a job of SLURM, whatever --cpu says
    torch.set_num_threads(1)
    sys.argv = ["fairseq-train", *arguments]
    cli_main()
    (trainer,) = trainers
    torch.save({"model": trainer.get_model().state_dict(), "optimizer": trainer.optimizer.state_dict()}, state_file)


if __name__ == "__main__":
    main()
