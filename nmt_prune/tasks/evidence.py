"""What saliencies are measured on: a fairseq model and mini-batches of its training subset."""

from dataclasses import dataclass
from functools import cache
from typing import Any, Optional

import torch
from fairseq import utils
from torch import nn

from nmt_prune.errors import PruneError
from nmt_prune.pruning.saliency.evidence import Evidence, Loss
from nmt_prune.randomness import generator


@dataclass(frozen=True)
class Calibration:
    """Which mini-batches to measure on.

    Attributes:
        count: how many.
        seed: seed of their choice.
        max_tokens: fairseq's ``--max-tokens``.
        max_sentences: fairseq's ``--batch-size``.
    """

    count: int
    seed: int
    max_tokens: Optional[int]
    max_sentences: Optional[int]

    def batches(self, task: Any, model: Any) -> list[Any]:
        """Draws from all mini-batches of the training subset, the same ones on every data-parallel worker.

        Raises:
            PruneError: the training subset cannot be read.
        """
        dataset = _training_set(task)
        if not len(dataset):
            return []
        limits = utils.resolve_max_positions(task.max_positions(), model.max_positions(), self.max_tokens)
        batches = task.get_batch_iterator(
            dataset=dataset,
            max_tokens=self.max_tokens,
            max_sentences=self.max_sentences,
            max_positions=limits,
            ignore_invalid_inputs=True,
            seed=self.seed,
            disable_iterator_cache=True,
        ).frozen_batches
        order = torch.randperm(len(batches), generator=generator(self.seed, "calibration batches"))
        # Not through a data loader, which would draw from the random numbers of the training.
        return [dataset.collater([dataset[i] for i in batches[j]]) for j in order[: max(0, self.count)].tolist()]


def training_evidence(task: Any, model: nn.Module) -> Evidence:
    """The evidence for a training: its model, and batches of its size."""
    cfg = task.cfg
    calibration = Calibration(cfg.calibration_batches, cfg.prune_seed, cfg.max_tokens, cfg.batch_size)
    return evidence_of(task, model, calibration, "cpu" if cfg.cpu else default_device())


def evidence_of(task: Any, model: nn.Module, calibration: Calibration, device: str) -> Evidence:
    """The evidence of a model of fairseq's, with mini-batches of its task."""
    padding = task.target_dictionary.pad()

    def loss(model: Any, batch: Any, temperature: float) -> Loss:
        batch = utils.apply_to_sample(lambda tensor: tensor.to(device), batch)
        logits, extra = model(**batch["net_input"])
        mean = _mean_nll(model, (logits / temperature, extra), batch, padding)
        return Loss(mean, batch["net_input"]["src_tokens"], batch["net_input"]["prev_output_tokens"])

    return Evidence(model, cache(lambda: calibration.batches(task, model)), loss, device)


def _mean_nll(model: Any, output: Any, batch: Any, padding: int) -> torch.Tensor:
    """The cross entropy without label smoothing, whatever the criterion: that is a regulariser of the training."""
    adaptive = getattr(model.decoder, "adaptive_softmax", None)
    if adaptive is None:
        log_probabilities = model.get_normalized_probs(output, log_probs=True, sample=batch)
        return nn.functional.nll_loss(log_probabilities.flatten(0, 1), batch["target"].flatten(), ignore_index=padding)
    # Section by section, as in training: fairseq's log-probabilities of such a model have no gradient.
    sections, targets = adaptive(output[0], batch["target"])
    losses = [
        # Only in the first one is this number the padding's.
        nn.functional.cross_entropy(section, target, ignore_index=-100 if tail else padding, reduction="sum")
        for tail, (section, target) in enumerate(zip(sections, targets, strict=True))
        if section is not None
    ]
    return torch.stack(losses).sum() / batch["target"].ne(padding).sum()


def _training_set(task: Any) -> Any:
    """The training subset, beside the one that the training itself may have loaded."""
    subset, missing = task.cfg.train_subset, object()
    loaded = task.datasets.pop(subset, missing)
    try:
        task.load_dataset(subset)
        return task.datasets.pop(subset)
    except FileNotFoundError as error:
        raise PruneError(f"{error}; saliencies are measured on the training subset") from None
    finally:
        if loaded is not missing:
            task.datasets[subset] = loaded


def default_device() -> str:
    """``cuda`` where there is a GPU."""
    return "cuda" if torch.cuda.is_available() else "cpu"
