"""CPU time of translating with several models, one after the other on every batch.

``python -m nmt_prune.models.programs.translation_time`` takes the flags of fairseq-generate with ``--path A:B`` and
prints, as JSON, how many sentences it translated and the seconds of each model. One process, so that what else the
machine does changes all models' times alike; the process' own CPU time, without starting and loading.
"""

import json
import time
from typing import Any

from fairseq import checkpoint_utils, options, tasks, utils
from fairseq.dataclass.utils import convert_namespace_to_omegaconf

# fairseq's --user-dir would find the package imported already, and leave out what is in it.
from nmt_prune.models import masked_transformer, shrunk_transformer  # noqa: F401

ENOUGH_SECONDS = 10.0
"""Of the first model: from there on no further batch is translated."""


def measure(cfg: Any) -> dict[str, Any]:
    """Translates batches in an order that mixes lengths; who goes first changes, since the others find another cache.

    Args:
        cfg: fairseq's configuration for generation; the models are one per path, not an ensemble.

    Returns:
        ``sentences`` and ``seconds``, one per model.
    """
    task = tasks.setup_task(cfg.task)
    models = [_load(cfg, task, path) for path in utils.split_paths(cfg.common_eval.path)]
    generators = [task.build_generator([model], cfg.generation) for model in models]
    batches = _batches(cfg, task, models)
    prefix_size = cfg.generation.prefix_size
    seconds, sentences = [0.0] * len(models), 0
    # The first batch twice: whatever is only done once, in fairseq and in torch, is not counted.
    for number, batch in enumerate([batches[0], *batches]):
        prefix = batch["target"][:, :prefix_size] if prefix_size > 0 else None
        for place in range(len(models)):
            index = (number + place) % len(models)
            start = time.process_time()
            task.inference_step(generators[index], [models[index]], batch, prefix_tokens=prefix)
            seconds[index] += (time.process_time() - start) * (number > 0)
        sentences += len(batch["id"]) * (number > 0)
        if seconds[0] > ENOUGH_SECONDS:
            break
    return {"sentences": sentences, "seconds": seconds}


def _load(cfg: Any, task: Any, path: str) -> Any:
    (model,), saved = checkpoint_utils.load_model_ensemble([path], task=task)
    model.eval()
    model.prepare_for_inference_(cfg)
    if cfg.dataset.gen_subset not in task.datasets:
        task.load_dataset(cfg.dataset.gen_subset, task_cfg=saved.task)
    return model


def _batches(cfg: Any, task: Any, models: list[Any]) -> list[dict[str, Any]]:
    iterator = task.get_batch_iterator(
        dataset=task.dataset(cfg.dataset.gen_subset),
        max_tokens=cfg.dataset.max_tokens,
        max_sentences=cfg.dataset.batch_size,
        max_positions=utils.resolve_max_positions(task.max_positions(), *(model.max_positions() for model in models)),
        ignore_invalid_inputs=cfg.dataset.skip_invalid_size_inputs_valid_test,
        required_batch_size_multiple=cfg.dataset.required_batch_size_multiple,
        seed=1,
    )
    return [batch for batch in iterator.next_epoch_itr(shuffle=True) if batch]


def main() -> None:
    """Measures and prints."""
    parser = options.get_generation_parser()
    print(json.dumps(measure(convert_namespace_to_omegaconf(options.parse_args_and_arch(parser)))))


if __name__ == "__main__":
    main()
