"""The best checkpoint by BLEU is never one from before the mask was final."""

import pytest

from tests.tasks.corpus import make_corpus
from tests.tasks.training import train

pytestmark = pytest.mark.slow

BLEU = (
    "--eval-bleu --best-checkpoint-metric bleu --maximize-best-checkpoint-metric --eval-bleu-args"
    ' {"beam":1,"max_len_b":8} --validate-interval-updates 2 --save-interval-updates 2 --max-update 60 --lr 0.03'
)
VALIDATED = {"without": "--disable-validation"}


@pytest.fixture(scope="module")
def learned(corpus, tmp_path_factory):
    """A dense model that translates well enough to have BLEU."""
    return train(corpus, tmp_path_factory.mktemp("learned"), "--max-update 60 --lr 0.03 --max-tokens 400")


def test_bleu_is_0_until_the_schedule_has_ended(run_training, learned):
    source = ("--mask-from", learned.folder / "checkpoint_last.pt")
    flags = (BLEU, "--max-update 10 --schedule cubic:interval=2,end=6 --sparsity 0.3 --max-tokens 400")
    training = run_training("mp", *source, *flags, **VALIDATED)
    bleu = {int(line["valid_num_updates"]): line["valid_bleu"] for line in training.progress("valid")}
    assert [bleu[update] for update in (2, 4)] == [0, 0]
    assert max(bleu[update] for update in (6, 8, 10)) > 0
    best = training.state("checkpoint_best")["optimizer_history"][-1]["num_updates"]
    assert best in (6, 8, 10)
    assert training.masks("checkpoint_best").keys() == training.masks().keys()
    fixed = run_training("fixed", *source, BLEU, "--max-update 4 --sparsity 0.3 --max-tokens 400", **VALIDATED)
    assert fixed.progress("valid")[0]["valid_bleu"] > 0  # so it is the schedule that makes it 0


def test_bleu_is_by_the_tokenizer_of_the_target_language(tmp_path):
    """The default of sacreBLEU, 13a, sees one word a sentence where words are not separated."""
    chinese = make_corpus(tmp_path, "zh-Hans", ["▁零", *"一二三四五六七八九"])
    flags = (BLEU, "--lr 0.03 --max-tokens 400 --target-lang zh-Hans")
    bleu = {}
    for tokenizer in ("", "zh", "13a"):
        own = f"--eval-bleu-tokenize {tokenizer}" if tokenizer else ""
        training = train(chinese, tmp_path / f"by-{tokenizer}", *flags, own, **VALIDATED)
        bleu[tokenizer] = [line["valid_bleu"] for line in training.progress("valid")]
    assert bleu[""] == bleu["zh"]
    assert max(bleu["zh"]) > max(bleu["13a"]) + 10


def test_hypotheses_without_words_do_not_stop_a_training(run_training):
    """fairseq itself has no BLEU to choose a checkpoint by then, and fails."""
    training = run_training("mute", BLEU, '--max-update 2 --eval-bleu-args {"min_len":0,"max_len_b":0}', **VALIDATED)
    assert training.progress("valid")[-1]["valid_bleu"] == 0
