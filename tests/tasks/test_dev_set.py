"""The validation set: loss against fairseq's own (for BLEU see test_search)."""

import pytest
import torch
from fairseq.criterions.cross_entropy import CrossEntropyCriterion

from nmt_prune.errors import PruneError
from nmt_prune.measuring.dev_set import load_dev_set
from nmt_prune.subnetworks.search import SearchSettings
from tests.tasks.corpus import SIZES


@pytest.fixture
def checkpoint(dense):
    return dense.folder / "checkpoint_last.pt"


def test_the_loss_is_fairseqs_cross_entropy_over_all_sentences(checkpoint, corpus):
    dev = load_dev_set(checkpoint, corpus, SearchSettings())
    model = dev.evidence.model.eval()
    criterion = CrossEntropyCriterion(dev.task, sentence_avg=False)
    with torch.no_grad():
        sums = [criterion(model, batch)[:2] for batch in dev.batches]
    assert dev.loss(model) == pytest.approx(float(sum(loss for loss, _ in sums)) / sum(size for _, size in sums))
    assert sum(len(batch["id"]) for batch in dev.batches) == SIZES["valid"]


def test_no_validation_set_is_one_line(checkpoint, corpus, tmp_path):
    for path in corpus.iterdir():
        if not path.name.startswith("valid"):
            (tmp_path / path.name).symlink_to(path)
    dev = load_dev_set(checkpoint, tmp_path, SearchSettings())
    with pytest.raises(PruneError, match=r"^Dataset not found: valid .*score is measured on the subset valid$"):
        dev.loss(dev.evidence.model)
