"""What a model costs to store and to use: its size, its CPU time against the dense one, and its exports."""

import json
from collections.abc import Collection
from dataclasses import replace
from pathlib import Path

from nmt_prune.checkpoints import Checkpoint, save
from nmt_prune.checkpoints.widths import is_shrunk
from nmt_prune.evaluation.costs.exports import measure_exports
from nmt_prune.evaluation.quality.subset import Subset
from nmt_prune.evaluation.quality.translation import Decoding, generate_command, run_fairseq
from nmt_prune.evaluation.records.costs import Costs, CpuTime
from nmt_prune.files import temporary_folder
from nmt_prune.inspection.memory import memory_bytes
from nmt_prune.shrinking.checkpoint import shrunk_state

WORTH_MEASURING = 0.01
"""Share of its parameters that a model has to lose by shrinking for its time to be measured."""

_PROGRAM = "nmt_prune.measuring.translation_time"
ONE_THREAD = {"OMP_NUM_THREADS": "1", "MKL_NUM_THREADS": "1"}


def measure_costs(original: Checkpoint, subset: Subset, decoding: Decoding, left_out: Collection[int] = ()) -> Costs:
    """Sizes of a checkpoint's model as it is and shrunk, and the CPU time of the latter against the former.

    Its exports are measured without a dense model: their speed beside it is for the report, see
    :mod:`nmt_prune.evaluation.costs.speeds`.

    Zeros are computed, so the former is as slow as the dense model, whatever its masks. Both give the same
    translations, so that the ratio is about the model and not about the length of what it says, which differs from
    training to training.

    Args:
        original: the checkpoint.
        subset: what to translate; as much of it as takes a few seconds.
        decoding: how; always on a CPU.
        left_out: lines that have no translation, from 1 on.

    Raises:
        PruneError: the checkpoint cannot be translated with.
    """
    state, is_its_own = shrunk_state(original), is_shrunk(original.model_settings)
    shrunk = original if state is None else Checkpoint(original.path, state)
    used = original if is_its_own else shrunk
    before, after = memory_bytes(original), memory_bytes(used)
    cpu: CpuTime | None = None
    if used is not original and after <= (1 - WORTH_MEASURING) * before:
        with temporary_folder() as folder:
            save(used.state, folder / "shrunk.pt")
            cpu = cpu_time(original.path, folder / "shrunk.pt", subset, decoding)
    # What was shrunk before it was trained has no dense model here to be compared with.
    ratio = cpu.ratio if cpu else None if is_its_own else 1.0
    return Costs(before, after, ratio, cpu, measure_exports(shrunk, subset, decoding, left_out))


def cpu_time(original: Path, used: Path, subset: Subset, decoding: Decoding) -> CpuTime:
    """CPU time of two checkpoints on the same batches, in turns, one thread.

    Args:
        original: the one that sets the scale.
        used: the one that is measured.
        subset: what to translate.
        decoding: how.

    Raises:
        PruneError: the translation fails.
    """
    paths = Path(f"{original}:{used}")  # one checkpoint each, and no ensemble
    command = generate_command(paths, subset, replace(decoding, cpu=True), used.parent, _PROGRAM)
    output = run_fairseq(command, str(original), ONE_THREAD).stdout
    measured = json.loads(output.splitlines()[-1])
    dense, mine = measured["seconds"]
    return CpuTime(round(mine, 3), round(dense, 3), measured["sentences"])
