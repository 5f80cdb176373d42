import gc
import signal

import pytest
import torch

from data_prep import binarize
from nmt_prune.cli import main
from nmt_prune.evaluation.quality import translation
from nmt_prune.experiments.planning import preflight, small_models
from nmt_prune.pruning.budgets import budgets
from nmt_prune.pruning.groups import groups
from nmt_prune.pruning.quantization import quantizers
from nmt_prune.pruning.regularisers import regularisers
from nmt_prune.pruning.resets import resets
from nmt_prune.pruning.saliency import saliencies
from nmt_prune.pruning.schedules import schedules
from nmt_prune.techniques import techniques
from tests import programs
from tests.devices import tensors_on


def pytest_make_parametrize_id(val: object, argname: str) -> str | None:
    """Bytes are named by their argument: packed ones hold the second at which they were made, and pytest-xdist wants
    the same names in all its processes."""
    return argname if isinstance(val, bytes) else None


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Tests for a GPU are skipped where there is none. Modules that train come first: each stays in one process, and
    both processes end together."""
    training = {item.path for item in items if item.get_closest_marker("slow")}
    items.sort(key=lambda item: item.path not in training)
    if not torch.cuda.is_available():
        for item in items:
            if item.get_closest_marker("gpu"):
                item.add_marker(pytest.mark.skip(reason="torch sees no GPU here"))


def pytest_collection_finish() -> None:
    gc.collect()
    programs.hurry()


@pytest.fixture
def device(request: pytest.FixtureRequest) -> str:
    """Where trainings and tensors are: the CPU, unless a test is marked otherwise (see tests.devices)."""
    return getattr(request, "param", "cpu")


@pytest.fixture
def there(device):
    """The device for tensors."""
    with tensors_on(device) as place:
        yield place


@pytest.fixture(scope="session", autouse=True)
def _heed_interrupts():
    """A shell's background job, as the tests may be, ignores SIGINT, and so would every process that they start."""
    signal.signal(signal.SIGINT, signal.default_int_handler)


@pytest.fixture(autouse=True)
def _same_random_numbers_for_every_test():
    torch.manual_seed(0)


@pytest.fixture(autouse=True)
def _no_entry_outlives_its_test(monkeypatch):
    for registry in (saliencies, budgets, groups, resets, schedules, regularisers, quantizers):
        monkeypatch.setattr(registry, "_entries", dict(registry.entries()))
    monkeypatch.setattr(techniques, "_entries", dict(techniques))


@pytest.fixture(scope="module")
def fairseq_starts_at_once():
    """fairseq's programs, where the code under test starts some."""
    with pytest.MonkeyPatch.context() as patch:
        for module in (binarize, translation, preflight, small_models):
            patch.setattr(module, "subprocess", programs)
        yield


@pytest.fixture
def set_threads():
    """``torch.set_num_threads``, undone after the test."""
    before = torch.get_num_threads()
    yield torch.set_num_threads
    torch.set_num_threads(before)


@pytest.fixture
def run(monkeypatch, capsys, tmp_path):
    """Runs ``nmt-prune`` in an empty folder; returns exit status, stdout and stderr."""
    monkeypatch.chdir(tmp_path)

    def call(*arguments: object) -> tuple[int, str, str]:
        monkeypatch.setattr("sys.argv", ["nmt-prune", *map(str, arguments)])
        status = 0
        try:
            main()
        except SystemExit as stop:
            status = stop.code or 0
        captured = capsys.readouterr()
        return status, captured.out, captured.err

    return call
