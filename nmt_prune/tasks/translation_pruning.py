"""The fairseq task that prunes: translation, plus masks that are found, held and, with a schedule, grown."""

import logging
from typing import Any

from fairseq.logging import metrics
from fairseq.tasks import register_task
from fairseq.tasks.translation import EVAL_BLEU_ORDER, TranslationTask
from fairseq.utils import strip_pad

import nmt_prune.criterions.distilled_cross_entropy  # noqa: F401  (registered: fairseq imports tasks and models alone)
from nmt_prune.checkpoints.own_dictionaries import KEY, digests
from nmt_prune.criterions.teachers import check_teaching
from nmt_prune.errors import PruneError, exit_on_error
from nmt_prune.masks.statistics import largest_weight, totals
from nmt_prune.registry import load_extensions
from nmt_prune.tasks.best_score import begin_without_best, forget_best
from nmt_prune.tasks.callbacks import callbacks
from nmt_prune.tasks.config import Gather, TranslationPruningConfig, criterion_of, pruning_settings, rewind_updates
from nmt_prune.tasks.data_folder import find_languages, refuse_missing_dictionaries, refuse_missing_subsets
from nmt_prune.tasks.ending import LATER_END, call_at_the_end
from nmt_prune.tasks.evidence import training_evidence
from nmt_prune.tasks.going_on import refuse_other_batches, same_batches
from nmt_prune.tasks.hardware import refuse_missing_devices
from nmt_prune.tasks.mask_changes import MaskChanges
from nmt_prune.tasks.own_dictionaries import check_dictionaries
from nmt_prune.tasks.refusals import refuse_unsupported
from nmt_prune.tasks.rewind_points import write_rewind_point
from nmt_prune.tasks.schedulers import scheduler_of
from nmt_prune.tasks.settled import SETTLED
from nmt_prune.tasks.starting import start
from nmt_prune.tasks.validation_text import ValidationText
from nmt_prune.tasks.workers import is_master
from nmt_prune.text.bleu import bleu_metric, tokenizer_of
from nmt_prune.training.callbacks import Callbacks
from nmt_prune.training.masking import Masking

logger = logging.getLogger(__name__)


@register_task("translation_pruning", dataclass=TranslationPruningConfig)
class TranslationPruningTask(TranslationTask):
    """Translation with a masked Transformer.

    Generation and validation need only the checkpoint; everything about pruning happens in ``fairseq-train``.
    """

    holds_masks = True  # so that the model need not
    uses_ema = True  # asks the trainer for the EMA model, which has to follow the mask

    def __init__(self, cfg: TranslationPruningConfig, src_dict: Any, tgt_dict: Any) -> None:
        super().__init__(cfg, src_dict, tgt_dict)
        self.callbacks = Callbacks({})
        self._statistics: dict[str, float] = {}
        self._optimizer_is_masked = False
        self._updates = 0
        self._best_is_denser = False
        self._ema_model: Any = None
        self._scheduler: Any = None
        # What build_model makes, and the first update sees.
        self._changes: MaskChanges | None = None
        self._rewind_updates: frozenset[int] = frozenset()
        self._model: Any = None
        self._model_cfg: Any = None
        self._criterion: Any = None
        self._bleu: Any = None
        self._text: Any = None

    @classmethod
    def add_args(cls, parser: Any) -> None:
        """Adds the flags; ``--extension`` may be repeated, which fairseq's own parser of dataclasses cannot."""
        super().add_args(parser)
        next(action for action in parser._actions if action.dest == "extension").__class__ = Gather

    @classmethod
    def setup_task(cls, cfg: TranslationPruningConfig, **kwargs: Any) -> Any:
        """Refuses what cannot be supported before fairseq prepares for it."""
        find_languages(cfg)
        if not kwargs.get("from_checkpoint"):
            with exit_on_error():
                refuse_unsupported(cfg)
                refuse_missing_devices(cfg)
                refuse_missing_dictionaries(cfg)
        return super().setup_task(cfg, **kwargs)

    def build_model(self, cfg: Any, from_checkpoint: bool = False) -> Any:
        """Builds the model and, for a training, its start (see nmt_prune.tasks.starting)."""
        model = super().build_model(cfg, from_checkpoint)
        if self.cfg.eval_bleu and not self.cfg.eval_tokenized_bleu:
            with exit_on_error():
                language, asked = self.cfg.target_lang, self.cfg.eval_bleu_remove_bpe
                self._bleu = bleu_metric(self.cfg.eval_bleu_tokenize or tokenizer_of(language))
                self._text = ValidationText(self.tgt_dict, language, asked, self.tokenizer)
        if from_checkpoint:
            return model
        with exit_on_error():
            if not isinstance(getattr(model, "masking", None), Masking):
                raise PruneError("the task translation_pruning needs a masked model, e.g. --arch masked_transformer")
            load_extensions(self.cfg.extension)
            evidence = training_evidence(self, model)
            settings = pruning_settings(self.cfg)
            pruner = settings.pruner(model.head_dim, evidence)
            self._rewind_updates = rewind_updates(self.cfg)
            refuse_missing_subsets(self.cfg)
            check_dictionaries(self.cfg, self._dictionaries())
            check_teaching(criterion_of(self.cfg), self, model)
            began = start(self.cfg, settings, pruner, model, evidence)
            self.callbacks = callbacks(self.cfg, model, pruner, began)
        self._changes = MaskChanges(self.cfg, model.masking, pruner, evidence, self.callbacks, began)
        self._updates, self._best_is_denser = began.first_update, began.best_is_denser
        call_at_the_end(self._check_end)
        self._model, self._model_cfg = model, cfg
        return model

    def get_batch_iterator(self, *arguments: Any, **settings: Any) -> Any:
        """As fairseq does."""
        return refuse_other_batches(super().get_batch_iterator(*arguments, **same_batches(settings)))

    def train_step(
        self,
        sample: Any,
        model: Any,
        criterion: Any,
        optimizer: Any,
        update_num: int,
        ignore_grad: bool = False,
        ema_model: Any = None,
    ) -> Any:
        """Forward and backward; gradients of pruned weights are zero before the trainer clips them."""
        self._updates, self._ema_model = update_num, ema_model
        if not self._optimizer_is_masked:
            with exit_on_error():
                self.callbacks.begin(optimizer)
            if ema_model is not None:
                ema_model.masking.replace(self._model.masking.masks)
            self._model.masking.mask_optimizer(optimizer)
            self._optimizer_is_masked = True
            self._scheduler = begin_without_best(scheduler_of(optimizer))
            self._refresh_statistics()
            if update_num == 0:
                self._write_rewind_point(0, criterion, optimizer)
        self._criterion = criterion
        with exit_on_error():
            self.callbacks.before_forward(update_num)
        penalised = self.callbacks.penalised(criterion)
        output = super().train_step(sample, model, penalised, optimizer, update_num, ignore_grad)
        if not self.callbacks.needs_dense_gradients(update_num):
            self._model.masking.mask_gradients()
        return output

    def optimizer_step(self, optimizer: Any, model: Any, update_num: int) -> None:
        """The optimizer's step, then whatever is due after this many updates."""
        with exit_on_error():
            self.callbacks.before_step(optimizer, update_num)
        super().optimizer_step(optimizer, model, update_num)
        self._updates = update_num + 1
        with exit_on_error():
            self.callbacks.after_step(optimizer, self._updates)
        if self._changes is not None and self._changes.are_due(self._updates):
            with exit_on_error():
                self._changes.make(optimizer, self._updates, self._ema_model)
            self._refresh_statistics()
        elif self._updates % self.cfg.log_interval == 0:
            self._refresh_statistics()
        self._write_rewind_point(self._updates, self._criterion, optimizer)

    def valid_step(self, sample: Any, model: Any, criterion: Any, ema_model: Any = None) -> Any:
        """Validates; BLEU counts as 0 until the schedule has ended.

        No denser model becomes the best checkpoint, uses up the ``--patience`` or lowers the learning rate: fairseq
        forgets its scores.
        """
        is_settled = self._is_settled()
        step = super().valid_step if is_settled else super(TranslationTask, self).valid_step
        if self._best_is_denser or not is_settled:
            forget_best(self._scheduler)
        self._best_is_denser = not is_settled
        with exit_on_error(), self.callbacks.evaluation():
            loss, sample_size, log = step(sample, model, criterion)
        if self.cfg.eval_bleu and not any(log.get(f"_bleu_totals_{order}", 0) for order in range(EVAL_BLEU_ORDER)):
            # Where the hypotheses hold no word fairseq logs no BLEU at all, and fails to choose a checkpoint by it.
            log["_bleu_totals_0"] = 1
        return loss, sample_size, log

    def _inference_with_bleu(self, generator: Any, sample: Any, model: Any) -> Any:
        """BLEU of a batch as ``nmt-prune score`` has it: subwords by the dictionary, tokenizer by the language."""
        if self.cfg.eval_tokenized_bleu:
            return super()._inference_with_bleu(generator, sample, model)
        found = self.inference_step(generator, [model], sample, prefix_tokens=None)
        targets = [strip_pad(target, self.tgt_dict.pad()) for target in sample["target"]]
        hypotheses = [self._text(each[0]["tokens"], "UNKNOWNTOKENINHYP") for each in found]
        references = [self._text(target, "UNKNOWNTOKENINREF") for target in targets]
        if self.cfg.eval_bleu_print_samples:
            logger.info(f"example hypothesis: {hypotheses[0]}")
            logger.info(f"example reference: {references[0]}")
        return self._bleu.corpus_score(hypotheses, [references])

    def reduce_metrics(self, logging_outputs: Any, criterion: Any) -> None:
        """Adds sparsity, max |w| and the number of revived weights to fairseq's progress lines."""
        super().reduce_metrics(logging_outputs, criterion)
        for name, value in self._statistics.items():
            metrics.log_scalar(name, value, weight=0, priority=900, round=4)

    def state_dict(self) -> Any:
        """The task's part of a checkpoint, asked for at every save: the moment to check that no weight has revived."""
        own: dict[str, Any] = {KEY: self._dictionaries()}
        if self._changes is not None:
            with exit_on_error():
                self._model.masking.check(f"not saved after update {self._updates}")
            own |= {"start": self._changes.departure.as_json(), "best_is_denser": self._best_is_denser}
            own[SETTLED] = self._is_settled()
        return {**super().state_dict(), **self.callbacks.state_dict(), **own}

    def _dictionaries(self) -> dict[str, str]:
        return digests(self.source_dictionary.symbols, self.target_dictionary.symbols)

    def _is_settled(self) -> bool:
        return self._changes is None or self._changes.are_settled(self._updates)

    def _check_end(self) -> None:
        """Whatever has ended the training: its mask must be final, and its rewind points written."""
        assert self._changes is not None
        self._changes.check_end(self._updates)
        if late := [update for update in sorted(self._rewind_updates) if update > self._updates]:
            raise PruneError(
                f"training ended at update {self._updates}, so that rewind_{late[0]}.pt was never written;"
                f" {LATER_END}, or leave {late[0]} out"
            )

    def _refresh_statistics(self) -> None:
        masking = self._model.masking
        count = sum(parameter.numel() for parameter in self._model.parameters())
        sparsity = totals(masking.masks, count)
        with exit_on_error():
            revived = masking.check(f"after update {self._updates}")
        self._statistics = {
            "sparsity": sparsity["prunable"],
            "sparsity_all": sparsity["all"],
            "sparsity_body": sparsity["body"],
            "max_abs_w": largest_weight(masking.parameters_by_matrix.values()),
            "revived": revived,
            **self.callbacks.statistics(),
        }

    def _write_rewind_point(self, update: int, criterion: Any, optimizer: Any) -> None:
        if update in self._rewind_updates and is_master():
            configs, state = {"task": self.cfg, "model": self._model_cfg}, {KEY: self._dictionaries()}
            trained = (self._model, criterion, optimizer, self._scheduler)
            with exit_on_error(), self._model.masking.as_held():
                path = write_rewind_point(self.cfg.save_dir, update, configs, state, *trained)
            logger.info(f"wrote the rewind point {path}")
