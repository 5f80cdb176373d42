"""The READMEs say what the code does: examples run, tables are complete, links lead somewhere, commands exist."""

import re
import shlex
import subprocess
import sys
import tomllib
from dataclasses import fields
from pathlib import Path

import pytest
import torch
import typer

from nmt_prune.checkpoints import Checkpoint
from nmt_prune.experiments.planning.expansion import expand
from nmt_prune.masks.mask_file import load_masks
from nmt_prune.tasks.config import TranslationPruningConfig
from nmt_prune.techniques import LONGER, techniques
from tests import readme_tables
from tests.experiments.recipes import make_recipe
from tests.only_installed import environment
from tests.toy import DIMENSION, FEEDFORWARD, save_toy

REPOSITORY = Path(__file__).parents[1]
FOLDERS = ("", "data_prep", "nmt_prune", "tests")
READMES = {
    str(path.relative_to(REPOSITORY)): path.read_text(encoding="utf-8")
    for folder in FOLDERS
    for path in sorted((REPOSITORY / folder).glob("README.md" if not folder else "**/README.md"))
}
README = READMES["README.md"]
MAKEFILE = (REPOSITORY / "Makefile").read_text(encoding="utf-8")


def test_the_first_page_stays_short():
    lines = README.splitlines()
    assert len(lines) <= 200
    assert len(README.encode()) <= 12_000
    too_wide = [line for line in lines if len(line) > 110 and not line.startswith("|")]
    assert too_wide == []


@pytest.mark.parametrize("name", READMES)
def test_links_lead_somewhere(name):
    for text, target in re.findall(r"\[([^\]]+)\]\(([^)]+)\)", READMES[name]):
        if target.startswith("https://"):
            continue
        path, _, anchor = target.partition("#")
        found = (REPOSITORY / name).parent / path if path else REPOSITORY / name
        assert found.exists(), f"{name}: [{text}]({target})"
        if anchor:
            headings = re.findall(r"^#+ (.*)$", found.read_text(encoding="utf-8"), re.MULTILINE)
            assert anchor in {slug(heading) for heading in headings}, f"{name}: [{text}]({target})"


def slug(heading: str) -> str:
    """A heading's anchor, as GitHub makes it."""
    return re.sub(r"[^\w\- ]", "", heading.lower()).replace(" ", "-")


@pytest.mark.parametrize("name", READMES)
def test_commands_and_their_flags_exist(name):
    known = commands()
    for block in re.findall(r"```bash\n(.*?)```", READMES[name], re.DOTALL):
        for line in re.sub(r"\\\n", " ", block).splitlines():
            for command in re.findall(r"(?:^|[|;(] *)nmt-prune ([^|;)#>]*)", line.split("  #")[0]):
                words = command.split(" -- ")[0].split()
                options = known.get(" ".join(words[:2])) or known.get(words[0])
                assert options is not None, f"{name}: nmt-prune {words[0]} does not exist"
                unknown = {word.partition("=")[0] for word in words if word.startswith("--")} - options
                assert not unknown, f"{name}: nmt-prune {words[0]} has no {', '.join(unknown)}"
            for target in re.findall(r"^make ([a-z0-9-]+)", line):
                assert re.search(rf"^[a-z0-9 -]*\b{target}\b[a-z0-9 -]*:", MAKEFILE, re.MULTILINE), f"{name}: {target}"


def commands() -> dict[str, set[str]]:
    """The options of every command, those of groups as ``export ctranslate2``."""
    from nmt_prune.cli import app

    found: dict[str, set[str]] = {}
    waiting = [("", typer.main.get_command(app))]
    while waiting:
        prefix, command = waiting.pop()
        for name, own in getattr(command, "commands", {}).items():
            waiting.append((f"{prefix} {name}".strip(), own))
        found[prefix] = {
            option for parameter in command.params for option in (*parameter.opts, *parameter.secondary_opts)
        }
    return found


def python_block(name: str, heading: str = "") -> str:
    """The Python example of a README, or the one under a heading."""
    example = re.search(r"```python\n(.*?)```", READMES[name][READMES[name].index(heading) :], re.DOTALL)
    assert example is not None
    return example[1]


def test_the_core_prunes_any_module_in_an_ordinary_loop(capsys):
    exec(python_block("nmt_prune/pruning/README.md", "## In a training loop of your own"), {})
    sparsity, revived = capsys.readouterr().out.split()
    assert float(sparsity) == pytest.approx(0.8, abs=1e-3)
    assert revived == "0"


def test_the_technique_example_can_be_named_in_a_recipe(tmp_path):
    (tmp_path / "own.py").write_text(python_block("nmt_prune/techniques/README.md"), encoding="utf-8")
    recipe = make_recipe(extension=[str(tmp_path / "own.py")], techniques=["slow-slt"], ladder=[50])
    (run,) = [run for run in expand(recipe) if run.technique == "slow-slt"]
    assert {key: run.settings["pruning"][key] for key in ("reset", "clock", "rewind_from")} == {
        "reset": "rewind",
        "clock": "rewind",
        "rewind_from": "dense-seed1/rewind_5.pt",
    }


def test_the_extension_example_runs(tmp_path, monkeypatch):
    (tmp_path / "row_scaled.py").write_text(
        python_block("nmt_prune/pruning/README.md", "## Extend it"), encoding="utf-8"
    )
    checkpoint, out = save_toy(tmp_path / "trained.pt"), tmp_path / "m.safetensors"
    arguments = ["mask", checkpoint, "--sparsity", 0.5, "--out", out]
    arguments += ["--extension", tmp_path / "row_scaled.py", "--saliency", "row-scaled:power=1"]
    monkeypatch.setattr("sys.argv", ["nmt-prune", *map(str, arguments)])
    from nmt_prune.cli import app

    app(standalone_mode=False)
    name = "decoder.layers.0.fc1.weight"
    weight = Checkpoint.load(checkpoint).model[name]
    score = weight.abs() * weight.square().sum(dim=1, keepdim=True).sqrt()
    median = score.flatten().sort().values[score.numel() // 2]
    assert torch.equal(load_masks(out)[0][name], score >= median)


RUN_AS_THEY_STAND = {"nmt_prune/masks/README.md", "nmt_prune/inspection/README.md"}
NOT_RUN = {
    "README.md": "trains for minutes; tests/runtime/test_real_model.py takes the same steps",
    "data_prep/README.md": "downloads gigabytes; tests/data_prep does it from a mirror",
    "nmt_prune/criterions/README.md": "trains; tests/criterions trains with these flags",
    "nmt_prune/distillation/README.md": "translates a corpus with a trained model; tests/distillation does it",
    "nmt_prune/experiments/README.md": "trains for minutes; tests/experiments/test_real_recipe.py runs a small recipe",
    "nmt_prune/export/README.md": "of a trained model, and Marian; tests/export has both",
    "nmt_prune/pruning/README.md": "trains; tests/tasks trains with each of these flags",
    "nmt_prune/pruning/quantization/README.md": "trains; tests/tasks/test_quantizers.py does the same",
    "nmt_prune/recipes/README.md": "trains for days; tests/experiments/test_wmt14_report.py does it in miniature",
    "nmt_prune/runtime/README.md": "of a trained model; tests/runtime/test_real_model.py and tests/cli have one",
    "nmt_prune/shrinking/README.md": "of a trained model; tests/cli/test_shrink.py has one",
    "nmt_prune/subnetworks/README.md": "trains; tests/tasks/test_search.py does the same",
    "nmt_prune/techniques/README.md": "trains; tests/tasks trains with each of these flags",
    "nmt_prune/tasks/README.md": "trains; tests/models/test_fairseq_commands.py trains with Hydra",
    "tests/soak/README.md": "kills for an hour; tests/soak/test_soak.py does it a few times",
}


def test_bash_blocks_run_or_say_why_not():
    assert {name for name, text in READMES.items() if "```bash" in text} == RUN_AS_THEY_STAND | NOT_RUN.keys()
    for tests in re.findall(r"tests/[\w/.]+", " ".join(NOT_RUN.values())):
        assert (REPOSITORY / tests).exists(), tests


@pytest.mark.parametrize("name", sorted(RUN_AS_THEY_STAND))
def test_bash_blocks_run(run, name):
    save_toy(Path("trained.pt"))
    for seed, mask in enumerate("abc"):
        assert (
            run("mask", save_toy(Path(f"{mask}.pt"), seed), "--sparsity", 0.8, "--out", f"{mask}.safetensors")[0] == 0
        )
    for block in re.findall(r"```bash\n(.*?)```", READMES[name], re.DOTALL):
        for line in block.splitlines():
            status, out, err = run(*shlex.split(line, comments=True)[1:])
            assert (status, bool(out)) == (0, True), err


def test_a_mask_file_is_read_as_the_readme_reads_it(run, capsys):
    assert run("mask", save_toy(Path("trained.pt")), "--sparsity", 0.8, "--out", "m.safetensors")[0] == 0
    exec(python_block("nmt_prune/masks/README.md"), {})
    assert capsys.readouterr().out == f"0.80 torch.Size([{FEEDFORWARD}, {DIMENSION}]) magnitude\n"


def test_every_flag_of_the_task_is_explained_with_its_default():
    rows = re.findall(r"^\| `--([a-z0-9-]+) .*?` \| (.*?) \|", READMES["nmt_prune/tasks/README.md"], re.MULTILINE)
    own = {
        field.name.replace("_", "-"): field.default
        for field in fields(TranslationPruningConfig)
        if field.name in TranslationPruningConfig.__annotations__ and "help" in field.metadata
    }
    assert dict(rows).keys() == own.keys()
    for flag, default in rows:
        if own[flag] in (None, ""):
            assert not re.fullmatch(r"`.*`|[\d.]+", default), flag
        else:
            assert default.strip("`") == str(own[flag]), flag


@pytest.mark.parametrize("name", readme_tables.TABLES)
def test_generated_tables_are_those_of_the_code(name):
    assert READMES[name] == readme_tables.generated(name), "make readmes"


def test_options_that_a_recipe_passes_on_exist():
    known = commands()
    for option, command in re.findall(r"\| `--([a-z-]+)` of `nmt-prune (\w+)` \|", readme_tables.recipe_keys()):
        options = set().union(*(own for words, own in known.items() if words.split()[:1] == [command]))
        assert f"--{option}" in options, f"nmt-prune {command} --{option}"


def test_every_technique_is_in_the_table():
    section = READMES["nmt_prune/techniques/README.md"].split("## All of them")[1]
    rows = re.findall(r"^\| (`.*?) \|", section, re.MULTILINE)
    documented = {name for row in rows for name in re.findall(r"`([a-z0-9-]+)`", row)}
    assert documented == {*techniques, LONGER}


@pytest.mark.slow
def test_the_install_line_is_enough_for_the_tour(tmp_path):
    """Its programs run where every package is hidden that the line does not install."""
    tour = README.split("## Dense, pruned, packed, translated")[1].split("\n## ")[0]
    extras = re.findall(r"pip install '\.\[([a-z,]+)\]'", tour)[0].split(",")
    project = tomllib.loads((REPOSITORY / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    named = [*project["dependencies"], *(line for extra in extras for line in project["optional-dependencies"][extra])]
    block = re.search(r"^nmt-prune data numbers.*$", tour, re.MULTILINE)
    assert block is not None
    command = [*block[0].split()[1:], "--size", "2000", "--valid-size", "20", "--test-size", "20"]
    for arguments in (["nmt_prune.cli", *command], ["fairseq_cli.train", "--help"], ["fairseq_cli.generate", "--help"]):
        process = subprocess.run(
            [sys.executable, "-m", *arguments],
            cwd=tmp_path,
            env=environment(named, tmp_path),
            capture_output=True,
            text=True,
        )
        assert process.returncode == 0, process.stderr
