"""A model for Marian and what is made of it, bergamot and browsers: a folder with weights, vocabulary and settings."""

from pathlib import Path
from typing import Any

import numpy as np
import yaml

from nmt_prune.export.folder import check_replaceable, direction, steps, write_manifest
from nmt_prune.export.marian_architecture import check, settings
from nmt_prune.export.marian_parameters import parameters
from nmt_prune.export.marian_vocabulary import vocabulary
from nmt_prune.files import atomic_path
from nmt_prune.storage.model.compact_model import CompactModel

MODEL, DECODER = "model.npz", "decoder.yml"
_FORMAT = "marian"


def export_marian(model: CompactModel, out: Path) -> None:
    """Writes a folder for ``marian-decoder -c decoder.yml``: weights in float32, vocabularies, settings and a README.

    Zeros are stored and computed like any weight, and heads and units that are gone as zeros, since Marian has one
    number of them for all layers: what is left of them makes the model neither smaller nor faster.

    Args:
        model: the model.
        out: the folder to make; an earlier export there is replaced.

    Raises:
        PruneError: Marian cannot compute the model, or ``out`` holds something else.
    """
    out = out.absolute()
    check_replaceable(out, _FORMAT, "Marian")
    check(model)
    words = vocabulary(model)
    arrays, tying = parameters(model, words)
    options = _yaml(settings(model, [len(words.source), len(words.target)], tying))
    arrays["special:model.yml"] = np.frombuffer(f"{options}\0".encode(), np.int8)
    with atomic_path(out) as folder:
        folder.mkdir()
        with (folder / MODEL).open("wb") as stream:
            np.savez(stream, **arrays)  # type: ignore[arg-type]
        names = words.write(folder)
        (folder / DECODER).write_text(_yaml(_search(names, model)), encoding="utf-8")
        (folder / "README.txt").write_text(_usage(model, out.name, names), encoding="utf-8")
        write_manifest(folder, model, _FORMAT)


def _search(vocabularies: list[str], model: CompactModel) -> dict[str, Any]:
    """The search of fairseq: the mean of log-probabilities, and unknown words as they come."""
    longest = min(stack.max_positions for stack in (model.architecture.encoder, model.architecture.decoder))
    return {
        "models": [MODEL],
        "vocabs": vocabularies,
        "relative-paths": True,
        "beam-size": 5,
        "normalize": 1.0,
        "word-penalty": 0.0,
        "allow-unk": True,
        "mini-batch": 16,
        "maxi-batch": 100,
        "maxi-batch-sort": "src",
        "max-length": longest,
        "max-length-crop": True,
    }


def _yaml(options: dict[str, Any]) -> str:
    return yaml.safe_dump(options, sort_keys=False)


def _usage(model: CompactModel, folder: str, vocabularies: list[str]) -> str:
    reads = "lines of text" if vocabularies[0].endswith(".spm") else "subwords between spaces"
    return "\n".join(
        [
            f"A translation model{direction(model)} for Marian (https://marian-nmt.github.io), weights in float32.",
            *steps(model),
            "",
            f"marian-decoder -c {folder}/{DECODER} < input > output    # {reads}",
            "",
        ]
    )
