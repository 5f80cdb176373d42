"""Calibration batches and losses of a real task."""

from argparse import Namespace

import pytest
import torch
from fairseq.criterions.cross_entropy import CrossEntropyCriterion
from fairseq.tasks.translation import TranslationConfig, TranslationTask

from nmt_prune.errors import PruneError
from nmt_prune.masks.mask_set import MaskSet
from nmt_prune.masks.prunable import prunable_parameters
from nmt_prune.measuring.checkpoints import checkpoint_evidence
from nmt_prune.models.masked_transformer import MaskedTransformer, tiny
from nmt_prune.tasks.evidence import Calibration, evidence_of


@pytest.fixture(scope="module")
def task(corpus):
    cfg = TranslationConfig(data=str(corpus), source_lang="en", target_lang="de", train_subset="train")
    cfg.dataset_impl, cfg.required_seq_len_multiple = None, 1
    return TranslationTask.setup_task(cfg)


@pytest.fixture(scope="module")
def model(task):
    args = Namespace(share_all_embeddings=True, encoder_embed_dim=16, encoder_ffn_embed_dim=20, dropout=0.3)
    tiny(args)
    return MaskedTransformer.build_model(args, task)


def batches(task, model, count=3, seed=1, max_tokens=100):
    return Calibration(count, seed, max_tokens, None).batches(task, model)


def ids(found):
    return [sorted(each["id"].tolist()) for each in found]


def test_the_loss_of_an_adaptive_softmax(task):
    args = Namespace(encoder_embed_dim=16, encoder_ffn_embed_dim=20, adaptive_softmax_cutoff=[8, 14], dropout=0.3)
    tiny(args)
    model = MaskedTransformer.build_model(args, task).eval()
    evidence = evidence_of(task, model, Calibration(1, 1, 200, None), "cpu")
    (batch,) = evidence.batches()
    loss = evidence.loss(model, batch, 1.0)
    with torch.no_grad():
        said = model.get_normalized_probs(model(**batch["net_input"]), log_probs=True, sample=None)
    target, padding = batch["target"], task.target_dictionary.pad()
    chosen = said.gather(-1, target.unsqueeze(-1)).squeeze(-1)[target.ne(padding)]
    assert float(loss.mean) == pytest.approx(-float(chosen.mean()), rel=1e-5)
    probe = evidence.probe(
        {p: w.detach() for p, w in prunable_parameters(model).items()}, MaskSet.dense(prunable_parameters(model))
    )
    assert all(torch.isfinite(gradient).all() for gradient in probe.gradients().values())


def test_batches_are_the_seeds_and_of_the_training_subset(task, model):
    first = batches(task, model)
    assert len(first) == 3
    assert ids(batches(task, model)) == ids(first)
    assert ids(batches(task, model, seed=2)) != ids(first)
    assert ids(batches(task, model, count=5))[:3] == ids(first)
    assert all(each["net_input"]["src_tokens"].numel() <= 100 for each in first)
    everything = [i for each in ids(batches(task, model, count=10**6)) for i in each]
    assert sorted(everything) == list(range(800))


def test_drawing_them_touches_neither_the_datasets_nor_random_numbers_of_a_training(task, model):
    task.load_dataset("train")
    loaded, random = task.datasets["train"], torch.get_rng_state()
    batches(task, model)
    assert task.datasets["train"] is loaded
    assert torch.equal(torch.get_rng_state(), random)
    del task.datasets["train"]
    batches(task, model)
    assert not task.datasets


@pytest.mark.parametrize("count", [0, -1])
def test_no_batches(task, model, count):
    evidence = evidence_of(task, model, Calibration(count, 1, 100, None), "cpu")
    weights = prunable_parameters(model)
    with pytest.raises(PruneError, match="the calibration set is empty: give --calibration-batches of at least 1"):
        evidence.probe(weights, MaskSet.dense(weights)).gradients()


def test_a_missing_training_subset_is_one_line(task, model, monkeypatch):
    monkeypatch.setattr(task.cfg, "train_subset", "monolingual")
    with pytest.raises(PruneError, match=r"^Dataset not found: monolingual .*measured on the training subset$"):
        batches(task, model)


def test_the_loss_is_the_cross_entropy_of_fairseq(task, model):
    evidence = evidence_of(task, model, Calibration(2, 1, 100, None), "cpu")
    weights = prunable_parameters(model)
    probe = evidence.probe(weights, MaskSet.dense(weights))
    criterion = CrossEntropyCriterion(task, sentence_avg=False)
    for loss, batch in zip(probe.losses(), evidence.batches(), strict=True):
        total, tokens, log = criterion(probe.model, batch)
        assert float(loss.mean.detach()) == pytest.approx(float(total) / tokens, rel=1e-6)
        sources = int((batch["net_input"]["src_tokens"] != 1).sum())
        assert (loss.target_tokens, loss.source_tokens, loss.sentences) == (tokens, sources, log["nsentences"])
    cold, hot = (float(next(probe.losses(temperature)).mean.detach()) for temperature in (1.0, 1e6))
    assert hot == pytest.approx(float(torch.log(torch.tensor(24.0))), rel=1e-4) != cold  # 24 symbols, uniform


def test_evidence_of_a_checkpoint(dense, corpus, tmp_path):
    path = dense.folder / "checkpoint_last.pt"
    evidence = checkpoint_evidence(path, corpus, count=2, seed=1)
    weights = prunable_parameters(evidence.model)
    trained = dense.weights()
    assert all(torch.equal(weight, trained[prunable.name]) for prunable, weight in weights.items())
    gradients = evidence.probe(weights, MaskSet.dense(weights)).gradients()
    assert all(gradient.any() for gradient in gradients.values())
    (tmp_path / "empty").mkdir()
    for data, reason in ((tmp_path / "nowhere", "nowhere"), (tmp_path / "empty", "")):
        with pytest.raises(
            PruneError, match=rf"checkpoint_last\.pt cannot be measured on --data \S+: .*{reason}"
        ) as error:
            checkpoint_evidence(path, data, count=2, seed=1)
        assert "\n" not in str(error.value)


def test_a_rewind_point_is_measured_on_batches_of_its_training(corpus, dense):
    found = checkpoint_evidence(dense.folder / "rewind_4.pt", corpus, count=2, seed=1).batches()
    assert len(found) == 2
    assert all(each["net_input"]["src_tokens"].numel() <= 200 for each in found)
