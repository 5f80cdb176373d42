"""Translation with the real fairseq-generate and a stock model."""

import sys

import pytest

from data_prep.corpora import choose
from data_prep.data_folder import prepare
from data_prep.download.fetching import Fetching
from data_prep.preparation import Preparation
from nmt_prune.checkpoints import Checkpoint
from nmt_prune.errors import PruneError
from nmt_prune.evaluation.quality.subset import Subset
from nmt_prune.evaluation.quality.translation import Decoding, translate
from nmt_prune.evaluation.scoring import score_checkpoint
from tests import programs
from tests.devices import cpu_or_gpu

pytestmark = pytest.mark.slow

MODEL = (
    "--arch transformer --share-all-embeddings --encoder-layers 1 --decoder-layers 1 --encoder-embed-dim 16"
    " --decoder-embed-dim 16 --encoder-ffn-embed-dim 16 --decoder-ffn-embed-dim 16 --encoder-attention-heads 2"
    " --decoder-attention-heads 2 --optimizer adam --lr 0.01 --max-tokens 500 --max-update 2 --cpu --seed 1"
    " --no-epoch-checkpoints --disable-validation"
)


@pytest.fixture(scope="module")
def data(fairseq_starts_at_once, tmp_path_factory):
    corpus = choose("numbers", size=400, valid_size=8, test_size=30)
    folder = tmp_path_factory.mktemp("data") / "numbers.en-de"
    preparation = Preparation.of(corpus, vocab_size=120)
    prepare(corpus, preparation, folder, fetching=Fetching(folder.parent / "cache", lambda line: None))
    return folder


@pytest.fixture(scope="module")
def checkpoint(data):
    command = [sys.executable, "-m", "fairseq_cli.train", str(data), "--save-dir", str(data.parent), *MODEL.split()]
    done = programs.run(command)
    assert done.returncode == 0, done.stderr[-2000:]
    return data.parent / "checkpoint_last.pt"


@cpu_or_gpu
def test_hypotheses_are_in_the_order_of_the_text(data, checkpoint, tmp_path, device):
    # Decoding that is forced to the whole reference must give the reference, line by line. 30 sentences: in batches of
    # a multiple of eight the last six would be lost.
    forced = Decoding(beam=1, cpu=device == "cpu", extra=("--prefix-size", "300"))
    record = score_checkpoint(checkpoint, Subset.find(data, "test"), forced, tmp_path / "scores.json")
    assert (tmp_path / "hypotheses.test.txt").read_bytes() == (data / "raw/test.de").read_bytes()
    assert record.bleu == pytest.approx(100)
    assert record.ter == 0
    assert record.sparsity == {"prunable": 0, "all": 0, "body": 0}
    assert record.sentences == 30


def test_references_of_another_length(data, checkpoint, tmp_path):
    longer = tmp_path / "longer.de"
    longer.write_text((data / "raw/test.de").read_text() + "eins\n")
    with pytest.raises(PruneError, match=r"30 hypotheses for the 31 lines of .*longer\.de"):
        translate(Checkpoint.load(checkpoint), Subset.find(data, "test", longer), Decoding(beam=1))


def test_an_unknown_flag_is_named(data, checkpoint):
    with pytest.raises(PruneError, match=r"unrecognized arguments: --no-such-flag$"):
        translate(Checkpoint.load(checkpoint), Subset.find(data, "test"), Decoding(extra=("--no-such-flag",)))


def test_lines_that_are_too_long_have_empty_hypotheses(data, checkpoint):
    short = Decoding(beam=1, extra=("--prefix-size", "300", "--max-source-positions", "10"))
    translation = translate(Checkpoint.load(checkpoint), Subset.find(data, "test"), short)
    references = (data / "raw/test.de").read_text().splitlines()
    assert 0 < len(translation.left_out) < 30
    expected = ["" if number in translation.left_out else line for number, line in enumerate(references, start=1)]
    assert translation.lines == expected
