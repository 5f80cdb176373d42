"""The recipe for one GPU: its model, its plan, and any data folder in place of its corpus."""

from argparse import Namespace
from dataclasses import replace
from pathlib import Path

import pytest
from fairseq import options
from fairseq.dataclass.utils import convert_namespace_to_omegaconf

from nmt_prune.cli.run import run as run_command
from nmt_prune.errors import PruneError
from nmt_prune.experiments.execution.step import prepare
from nmt_prune.experiments.planning.commands import Places, train_arguments
from nmt_prune.experiments.planning.cost import PlanCost
from nmt_prune.experiments.planning.expansion import expand
from nmt_prune.experiments.planning.plan import Plan
from nmt_prune.experiments.recipe.recipe_file import load_recipe, with_data
from tests.tiny_model import tiny_model

RECIPE = load_recipe("paper-gpu")
PLACES = Places(Path("runs/paper-gpu"), Path("data-bin/help"))


@pytest.fixture
def data(tmp_path) -> Path:
    folder = tmp_path / "own"
    (folder / "raw").mkdir(parents=True)
    for name in ("train", "valid", "test"):
        (folder / f"{name}.fr-en.fr.idx").touch()
        (folder / f"{name}.fr-en.en.idx").touch()
    (folder / "raw" / "test.en").write_text("a\n")
    return folder


def test_it_has_the_papers_techniques_and_rungs():
    assert RECIPE.techniques == ["mp", "lt", "slt", "clt", "slt-mp", "mp-slt"]
    assert RECIPE.ladder == [50, 80, 90, 95]
    assert RECIPE.trainings_per_gpu == 8


def test_the_model_has_more_than_ten_million_weights():
    flags = {key: value for key, value in RECIPE.model.flags().items() if key not in ("arch", "share_all_embeddings")}
    model = tiny_model("all", words=RECIPE.corpus.vocab_size - 4, arch=RECIPE.model.arch, **flags)
    assert sum(parameter.numel() for parameter in model.parameters()) == pytest.approx(15.5e6, rel=0.01)


def test_fairseq_understands_every_flag():
    arguments = train_arguments(expand(RECIPE)[-1], PLACES)
    parsed: Namespace = options.parse_args_and_arch(options.get_training_parser(), input_args=arguments)
    config = convert_namespace_to_omegaconf(parsed)
    assert (config.common.fp16, config.common.cpu, config.dataset.max_tokens) == (True, False, 8192)


def test_the_time_of_trainings_that_share_a_gpu():
    cost = PlanCost.of(Plan.of(expand(RECIPE), PLACES, trainings_per_gpu=RECIPE.trainings_per_gpu))
    # 37 trainings of 1000 updates of 8192 tokens: 124 minutes by 8 are less than the chain of five, 17 minutes.
    assert cost.lines(40_000)[-1] == (
        "at 40,000 target tokens per second and training, 8 of them on one GPU: 17 minutes to do (17 in the longest"
        " chain); starting, validation and scores come on top"
    )


def test_a_data_folder_takes_the_place_of_the_corpus(data):
    recipe = with_data(RECIPE, data)
    assert (recipe.corpus.name, recipe.corpus.source, recipe.corpus.target) == ("own", "fr", "en")
    assert expand(recipe)[0].settings["corpus"] == {"name": "own", "source": "fr", "target": "en"} | {
        "identify_languages": False
    }


def test_a_given_folder_is_not_prepared(data, laboratory):
    prepare(replace(laboratory.plan(), data_is_given=True))
    assert laboratory.calls("data") == []


def test_a_folder_without_what_is_needed_is_refused(data):
    (data / "raw" / "test.en").unlink()
    with pytest.raises(PruneError, match=r"reference .*test\.en does not exist"):
        with_data(RECIPE, data)
    (data / "elsewhere.en").write_text("a\n")
    generation = RECIPE.generation.model_copy(update={"reference": str(data / "elsewhere.en")})
    assert with_data(RECIPE.model_copy(update={"generation": generation}), data).corpus.name == "own"
    (data / "valid.fr-en.fr.idx").unlink()
    (data / "valid.fr-en.en.idx").unlink()
    with pytest.raises(PruneError, match="has no binarized subset 'valid' of one language pair"):
        with_data(RECIPE, data)


def test_a_paper_without_numbers_for_the_pair_of_the_folder_is_refused(data):
    with pytest.raises(PruneError, match="brix2020 has no numbers for fr-en"):
        with_data(RECIPE.model_copy(update={"published": ["brix2020"]}), data)


def test_a_transfer_recipe_takes_no_folder(data):
    with pytest.raises(PruneError, match="--data is for recipes of one corpus"):
        run_command("transfer-numbers", data=data)
