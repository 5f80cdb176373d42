"""The shipped recipes of Brix 2020 say what the paper says."""

from collections import Counter
from pathlib import Path

import pytest
from fairseq import options
from fairseq.dataclass.utils import convert_namespace_to_omegaconf

import nmt_prune.models.masked_transformer
import nmt_prune.optimizers.scaled_adafactor
import nmt_prune.tasks.translation_pruning  # noqa: F401
from nmt_prune.evaluation.reports.published import load_published
from nmt_prune.experiments.planning.commands import Places, train_arguments
from nmt_prune.experiments.planning.cost import PlanCost
from nmt_prune.experiments.planning.expansion import expand
from nmt_prune.experiments.planning.plan import Plan
from nmt_prune.experiments.recipe.recipe_file import load_recipe
from tests.experiments.recipes import BRIX_LADDER

NAMES = ["wmt14-en-de", "wmt14-en-fr"]
PLACES = Places(Path("runs/wmt14"), Path("data-bin/wmt14"))


def test_number_of_runs():
    """A dense run, twelve rungs; SLT-MP has eight (50 to 98 %), MP-SLT six of its own (70 to 98 %)."""
    en_de = expand(load_recipe("wmt14-en-de"))
    assert Counter(run.technique for run in en_de) == {
        "dense": 2,
        "mp": 24,
        "lt": 24,
        "slt": 24,
        "clt": 24,
        "slt-mp": 16,
        "mp-slt": 12,
        "dense-longer": 24,
        "random": 24,
        "clt-random-sign": 24,
    }
    techniques = load_recipe("wmt14-en-de").techniques
    assert len(expand(load_recipe("wmt14-en-de"), techniques)) == 2 * (1 + 4 * 12 + 8 + 6)
    en_fr = expand(load_recipe("wmt14-en-fr"))
    counted = Counter(run.technique for run in en_fr)
    assert counted == {"dense": 2, "mp": 24, "slt": 24, "clt": 24, "slt-mp": 16, "dense-longer": 24}


@pytest.mark.parametrize("name", NAMES)
def test_schedule_of_the_paper(name):
    recipe = load_recipe(name)
    assert recipe.training.max_update == 500_000
    moments = (recipe.rewind, recipe.prune_interval, recipe.prune_end)
    assert [recipe.updates(moment) for moment in moments] == [25_000, 10_000, 400_000]
    assert not {"rewind", "prune_interval", "prune_end"} & recipe.model_fields_set  # shares of max-update, by default
    assert (recipe.ladder, recipe.seeds) == (BRIX_LADDER, [1, 2])
    runs = {run.name: run for run in expand(recipe)}
    assert runs["mp-95-seed2"].settings["pruning"]["schedule"] == "cubic:initial=0,end=400000,interval=10000"
    assert runs["slt-mp-95-seed2"].settings["pruning"]["schedule"] == "cubic:initial=0.6,end=400000,interval=10000"
    assert runs["slt-20-seed2"].settings["pruning"]["rewind_from"] == "slt-10-seed2/rewind_25000.pt"
    assert {run.updates for run in runs.values()} == {500_000}


@pytest.mark.parametrize("name", NAMES)
def test_an_update_has_the_tokens_of_eight_cores(name):
    cost = PlanCost.of(Plan.of(expand(load_recipe(name)), PLACES))
    assert cost.batch == (4096, 4, 1)
    assert 4096 * 4 * 1 == 8 * 2048
    assert cost.chain == 13 * 500_000


def test_cost_of_en_de_by_hand():
    cost = PlanCost.of(Plan.of(expand(load_recipe("wmt14-en-de")), PLACES))
    # 99e6 updates · 16,384 tokens / 1e5 tokens per second / 3600 = 4505.6 hours.
    assert cost.lines(100_000)[-1] == (
        "at 100,000 target tokens per second and training: 4,506 hours = 4,506 GPU hours, 4,506 hours to do;"
        " 296 in the longest chain"
    )


@pytest.mark.parametrize("name", NAMES)
def test_every_sparsity_has_a_published_number(name):
    recipe = load_recipe(name)
    assert recipe.published[0] == "brix2020"
    brix, pair = load_published("brix2020"), f"{recipe.corpus.source}-{recipe.corpus.target}"
    for technique in recipe.techniques:
        rungs = [percent for percent in recipe.ladder if technique != "slt-mp" or percent >= 50]
        assert [percent for percent in rungs if brix.find(pair, technique, percent / 100) is None] == []


def test_both_recipes_train_alike():
    de, fr = (load_recipe(name) for name in NAMES)
    assert (de.model, de.training, de.precision, de.generation) == (fr.model, fr.training, fr.precision, fr.generation)


@pytest.mark.parametrize("name", NAMES)
def test_fairseq_understands_every_flag(name):
    arguments = train_arguments(expand(load_recipe(name))[-1], PLACES)
    parsed = options.parse_args_and_arch(options.get_training_parser(), input_args=arguments)
    config = convert_namespace_to_omegaconf(parsed)
    assert list(config.optimization.update_freq) == [4]
    assert list(config.optimization.lr) == [0.01]
    assert (config.dataset.max_tokens, config.optimization.max_update) == (4096, 500_000)
    assert (config.common.fp16, config.common.cpu, config.common.fp16_no_flatten_grads) == (True, False, True)
    assert config.distributed_training.distributed_world_size == 1
    assert config.optimizer._name == "scaled_adafactor"
    assert (config.lr_scheduler.warmup_updates, config.lr_scheduler.warmup_init_lr) == (10_000, 0.01)
    assert config.checkpoint.save_interval_updates == 25_000
    assert config.model.share_all_embeddings
