"""The score of a model on the validation set, measured in this process: BLEU or loss."""

from argparse import Namespace
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any, cast

import torch
from fairseq import utils
from torch import nn

from nmt_prune.checkpoints import Checkpoint
from nmt_prune.errors import PruneError
from nmt_prune.measuring.checkpoints import checkpoint_evidence_and_task
from nmt_prune.pruning.saliency.evidence import Evidence
from nmt_prune.runtime.joining import Joiner, joiner
from nmt_prune.storage.checkpoints.vocabularies import read_joining
from nmt_prune.storage.model.splitting import KINDS
from nmt_prune.subnetworks.search import SearchSettings
from nmt_prune.text.bleu import bleu_metric, tokenizer_of


@dataclass(frozen=True)
class DevSet:
    """A validation set and how it is translated.

    Attributes:
        task: fairseq's task.
        evidence: device and loss.
        subset: name of the subset.
        beam: beam size; 1 is greedy.
        lenpen: length penalty.
        join: makes text of subwords.
        tokenize: sacreBLEU's tokenizer; None is that of the target language.
        max_tokens: tokens of a batch.
    """

    task: Any
    evidence: Evidence
    join: Joiner
    subset: str = "valid"
    beam: int = 1
    lenpen: float = 1.0
    tokenize: str | None = None
    max_tokens: int = 4000

    @cached_property
    def batches(self) -> list[Any]:
        """All sentence pairs but those that the model is too short for, of which fairseq warns.

        Raises:
            PruneError: there is no such subset, or it is empty.
        """
        try:
            self.task.load_dataset(self.subset)
        except FileNotFoundError as error:
            raise PruneError(f"{error}; the score is measured on the subset {self.subset}") from None
        dataset, model = self.task.dataset(self.subset), cast(Any, self.evidence.model)
        if not len(dataset):
            raise PruneError(f"the subset {self.subset} is empty; the score is measured on it")
        batches = self.task.get_batch_iterator(
            dataset,
            max_tokens=self.max_tokens,
            max_positions=utils.resolve_max_positions(self.task.max_positions(), model.max_positions()),
            ignore_invalid_inputs=True,
            required_batch_size_multiple=1,
            disable_iterator_cache=True,
        ).frozen_batches
        return [dataset.collater([dataset[i] for i in batch]) for batch in batches]

    def loss(self, model: nn.Module) -> float:
        """Cross-entropy in nats per target token, without label smoothing."""
        total, tokens = 0.0, 0
        self.evidence.passes.count += len(self.batches)
        with torch.no_grad():
            for batch in self.batches:
                loss = self.evidence.loss(model, batch, 1.0)
                total += float(loss.mean) * loss.target_tokens
                tokens += loss.target_tokens
        return total / tokens

    def bleu(self, model: nn.Module) -> float:
        """BLEU of the translation against the binarized references, as by the task's ``--eval-bleu``.

        Raises:
            PruneError: see :func:`nmt_prune.text.bleu.bleu_metric`.
        """
        metric = bleu_metric(self.tokenize or tokenizer_of(self.task.cfg.target_lang))
        # A heavily pruned model may never end a sentence; the length limit is that of fairseq's translation recipes.
        args = Namespace(beam=self.beam, lenpen=self.lenpen, max_len_a=1.2, max_len_b=10)
        generator = self.task.build_generator([model], args)
        hypotheses, references = [], []
        self.evidence.passes.count += len(self.batches)
        for batch in self.batches:
            on_device = utils.apply_to_sample(lambda tensor: tensor.to(self.evidence.device), batch)
            found = self.task.inference_step(generator, [model], on_device)
            hypotheses += [self._text(each[0]["tokens"], "UNKNOWNTOKENINHYP") for each in found]
            # An unknown word in the reference must not match one in the hypothesis.
            targets = (utils.strip_pad(target, self.task.target_dictionary.pad()) for target in batch["target"])
            references += [self._text(target, "UNKNOWNTOKENINREF") for target in targets]
        return float(metric.corpus_score(hypotheses, [references]).score)

    def _text(self, tokens: torch.Tensor, unknown: str) -> str:
        line = str(self.task.target_dictionary.string(tokens.int().cpu(), unk_string=unknown))
        return self.join(line.split(" ")) if line else ""


def load_dev_set(checkpoint: Path, data: Path, settings: SearchSettings) -> DevSet:
    """The validation set for a search in a checkpoint; its ``evidence`` is the model and the training data.

    Args:
        checkpoint: a checkpoint of a translation model, masked or stock.
        data: folder of the binarized corpus.
        settings: settings of the search.

    Raises:
        PruneError: checkpoint and data cannot be read or do not belong together.
    """
    evidence, task = checkpoint_evidence_and_task(checkpoint, data, settings.calibration_batches, settings.seed)
    path = data / f"dict.{task.cfg.target_lang}.txt"
    text, kind = read_joining(Checkpoint.load(checkpoint), task.target_dictionary.symbols, path, settings.remove_bpe)
    if kind not in KINDS:
        raise PruneError(f"--remove-bpe {kind} is unknown to the search; choose from {', '.join(KINDS)}")
    how = {name: getattr(settings, name) for name in ("beam", "lenpen", "tokenize")}
    return DevSet(task, evidence, joiner(text, kind), **how)
