"""The flags of a checkpoint's own training: given to fairseq-train again, they make the same configuration."""

import pytest
import torch
from fairseq import options
from fairseq.dataclass.utils import convert_namespace_to_omegaconf

from nmt_prune.checkpoints import Checkpoint
from nmt_prune.errors import PruneError
from nmt_prune.experiments.planning.commands import flag_arguments
from nmt_prune.experiments.recipe.own_flags import with_own_flags
from nmt_prune.measuring.own_flags import own_flags
from tests.tasks.corpus import make_corpus
from tests.tasks.training import STOCK, train

pytestmark = pytest.mark.slow

OPTIMIZERS = [
    "--adam-betas (0.9,0.98) --adam-eps 1e-9 --weight-decay 1e-4",
    "--optimizer nag --momentum 0.8 --lr-scheduler fixed --lr 0.1,0.05 --warmup-updates 0",
    "--lr-scheduler polynomial_decay --total-num-update 40 --power 2 --update-freq 2 --clip-norm 0.5 --sentence-avg",
    "--criterion cross_entropy --encoder-normalize-before --activation-fn gelu --dropout 0.3 --max-tokens-valid 300",
]

OF_MODELS = (
    "encoder_",
    "decoder_",
    "share_",
    "activation_",
    "attention_",
    "dropout",
    "layernorm_",
    "no_scale",
    "no_token",
)


@pytest.fixture(scope="module")
def corpus(tmp_path_factory):
    return make_corpus(tmp_path_factory.mktemp("corpus"))


@pytest.mark.parametrize("flags", OPTIMIZERS)
def test_the_same_training_again(corpus, tmp_path, flags):
    without = "--label-smoothing 0.1" if "criterion" in flags else ""
    stock = train(corpus, tmp_path / "stock", STOCK, "--max-update 1", flags, without=without)
    before = stock.state()["cfg"]
    own = own_flags(Checkpoint.load(stock.folder / "checkpoint_last.pt"))
    assert not {"max_update", "total_num_update"} & own.training.keys()
    length = {"total_num_update": 40} if "polynomial" in flags else {}
    words = [str(corpus), *flag_arguments({"task": "translation", **own.model, **own.training, **length})]
    after = convert_namespace_to_omegaconf(options.parse_args_and_arch(options.get_training_parser(), words))
    for group in ("criterion", "optimizer", "lr_scheduler"):
        ours = {key: value for key, value in after[group].items() if key != "tpu"}
        assert ours == {key: before[group][key] for key in ours}
    for group, keys in {
        "optimization": ("lr", "clip_norm", "update_freq", "sentence_avg"),
        "dataset": ("max_tokens", "batch_size", "max_tokens_valid"),
    }.items():
        assert {key: after[group][key] for key in keys} == {key: before[group][key] for key in keys}
    model, again = vars(before["model"]), vars(after.model)
    shared = [key for key in again.keys() & model.keys() if key.startswith(OF_MODELS)]
    assert [key for key in shared if str(again[key]) != str(model[key])] == []


def test_a_recipe_says_what_it_does_not_leave_to_the_checkpoint(corpus, tmp_path):
    """Flags of a criterion and a scheduler that it replaces are left out, but for those that both have."""
    flags = "--dropout 0.3 --warmup-init-lr 1e-6 --max-update 1"
    path = train(corpus, tmp_path / "stock", STOCK, flags).folder / "checkpoint_last.pt"
    training = {"lr-scheduler": "polynomial_decay", "criterion": "cross_entropy", "max-update": 9}
    said = {"dense": {"checkpoint": str(path)}, "model": {"share-all-embeddings": False}, "training": training}
    filled = with_own_flags(said)
    assert filled["model"]["dropout"] == 0.3
    assert filled["model"]["arch"] == "masked_transformer"
    assert filled["model"]["share_all_embeddings"] is False
    found = filled["training"]
    assert found["lr_scheduler"] == "polynomial_decay"
    assert found["warmup_updates"] == 4
    assert not {"warmup_init_lr", "label_smoothing"} & found.keys()
    both = {**training, "criterion": "distilled_cross_entropy"}
    assert with_own_flags({**said, "training": both})["training"]["label_smoothing"] == 0.1
    assert with_own_flags({**said, "model": "masked_transformer"})["model"] == "masked_transformer"


def test_the_batch_of_several_workers_is_that_of_one_process(corpus, tmp_path):
    path = train(corpus, tmp_path / "stock", STOCK, "--max-update 1 --update-freq 2").folder / "checkpoint_last.pt"
    state = Checkpoint.load(path).state
    state["cfg"]["distributed_training"]["distributed_world_size"] = 4
    torch.save(state, path)
    said = {"dense": {"checkpoint": str(path)}}
    assert with_own_flags(said)["training"]["update_freq"] == 8
    for own in ({"update-freq": 3}, {"distributed-world-size": 4}):
        filled = with_own_flags({**said, "training": own})["training"]
        assert filled["update_freq"] == own.get("update-freq", filled["update_freq"]) != 8


def test_what_says_too_little(corpus, tmp_path):
    path = train(corpus, tmp_path / "stock", "--max-update 1").folder / "checkpoint_last.pt"
    model = Checkpoint.load(path)
    bare = Checkpoint(path, {key: value for key, value in model.state.items() if key not in ("cfg", "args")})
    with pytest.raises(PruneError, match="has no configuration"):
        own_flags(bare)
    cfg = {**model.state["cfg"], "optimizer": {"_name": "mine"}}
    with pytest.raises(PruneError, match="its optimizer mine is unknown to fairseq here"):
        own_flags(Checkpoint(path, {**model.state, "cfg": cfg}))
