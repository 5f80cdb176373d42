"""CPU time of translating with two real models, in a process of its own."""

import pytest

from nmt_prune.checkpoints import Checkpoint
from nmt_prune.evaluation.costs.measurement import measure_costs
from nmt_prune.evaluation.quality.subset import Subset
from nmt_prune.evaluation.quality.translation import Decoding
from tests.models.shrinking import LAYERS, PRE_NORM, SIZES, mask, unit
from tests.tasks.corpus import SIZES as SENTENCES

pytestmark = pytest.mark.slow


def test_the_shrunk_model_is_timed_beside_the_masked_one(run_training, corpus, tmp_path):
    trained = run_training("wide", SIZES, PRE_NORM, "--encoder-ffn-embed-dim 2000 --decoder-ffn-embed-dim 2000")
    dead = {}
    for stack in ("encoder", "decoder"):
        for layer in range(LAYERS):
            dead |= unit(f"{stack}.layers.{layer}", range(10, 2000))
    path = mask(trained, dead, tmp_path / "masked.pt")
    subset = Subset(corpus, "test", "en", "de", tmp_path / "unused")
    costs = measure_costs(Checkpoint.load(path), subset, Decoding(beam=2, max_tokens=400))
    assert costs.cpu is not None
    assert costs.cpu.sentences == SENTENCES["test"]
    assert min(costs.cpu.seconds, costs.cpu.seconds_dense) > 0
    # How much less is a measurement (make bench): on a busy machine a test of it fails by chance.
    assert costs.cpu_ratio == costs.cpu.seconds / costs.cpu.seconds_dense
    assert costs.bytes_used < 0.1 * costs.bytes_masked
