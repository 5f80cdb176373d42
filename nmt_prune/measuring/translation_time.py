"""CPU time of translating with several models, one after the other on every batch.

``python -m nmt_prune.measuring.translation_time`` takes the flags of fairseq-generate with ``--path A:B`` and
prints, as JSON, how many sentences it translated and the seconds of each model, without starting and loading.
"""

import json
from typing import Any

from fairseq import options, tasks, utils
from fairseq.dataclass.utils import convert_namespace_to_omegaconf

from nmt_prune.measuring.generation import Generator, batches
from nmt_prune.measuring.turns import in_turns

ENOUGH_SECONDS = 10.0
"""Of the first model: from there on no further batch is translated."""


def measure(cfg: Any) -> dict[str, Any]:
    """Translates batches in an order that mixes lengths.

    Args:
        cfg: fairseq's configuration for generation; the models are one per path, not an ensemble.

    Returns:
        ``sentences`` and ``seconds``, one per model.
    """
    task = tasks.setup_task(cfg.task)
    systems = [Generator(cfg, task, path) for path in utils.split_paths(cfg.common_eval.path)]
    chosen = batches(cfg, task, [system.model for system in systems])
    measured = in_turns(systems, chosen, ENOUGH_SECONDS)
    return {"sentences": sum(len(batch["id"]) for batch in chosen[: measured.batches]), "seconds": measured.seconds}


def main() -> None:
    """Measures and prints."""
    parser = options.get_generation_parser()
    print(json.dumps(measure(convert_namespace_to_omegaconf(options.parse_args_and_arch(parser)))))


if __name__ == "__main__":
    main()
