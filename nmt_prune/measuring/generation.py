"""fairseq's generator on batches, for the programs that measure it."""

from typing import Any

from fairseq import checkpoint_utils, utils

# fairseq's --user-dir would find the package imported already, and leave out what is in it.
from nmt_prune.models import masked_transformer, shrunk_transformer  # noqa: F401


class Generator:
    """fairseq's generator with one model, made ready as fairseq-generate does, but zeros are computed like any weight.

    Args:
        cfg: fairseq's configuration for generation.
        task: fairseq's task; the subset is loaded if it was not yet.
        path: checkpoint of the model.
    """

    def __init__(self, cfg: Any, task: Any, path: str) -> None:
        (self.model,), saved = checkpoint_utils.load_model_ensemble([path], {"dense_inference": True}, task)
        self.model.eval()
        self.model.prepare_for_inference_(cfg)
        if cfg.dataset.gen_subset not in task.datasets:
            task.load_dataset(cfg.dataset.gen_subset, task_cfg=saved.task)
        self._task, self._prefix = task, cfg.generation.prefix_size
        self._generator = task.build_generator([self.model], cfg.generation)

    def __call__(self, batch: dict[str, Any]) -> int:
        """Translates; returns the number of tokens of the best hypotheses."""
        prefix = batch["target"][:, : self._prefix] if self._prefix > 0 else None
        found = self._task.inference_step(self._generator, [self.model], batch, prefix_tokens=prefix)
        return sum(len(hypotheses[0]["tokens"]) for hypotheses in found)


def batches(cfg: Any, task: Any, models: list[Any]) -> list[dict[str, Any]]:
    """Batches of the subset in an order that mixes lengths.

    Args:
        cfg: fairseq's configuration for generation.
        task: fairseq's task, the subset loaded.
        models: which have to be able to read all that is in them.
    """
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
