"""``python -m tests.runtime.translating``: translations of a small model in every form of its weights, as JSON."""

import json

from nmt_prune.runtime.compiled import CompiledEngine
from nmt_prune.runtime.settings.search_options import SearchOptions
from tests.runtime.models import random_model

FORMS = ("sparse", "sparse int8", "blocks int8", "dense", "dense-int8")
"""The compiled engine's forms, and the type that they convert to."""

SOURCES = [[4, 5, 6, 7, 2], [9, 2], [11, 12, 13, 14, 15, 16, 17, 18, 19, 20, 2]]


def translations() -> dict[str, list[list[tuple[list[int], float]]]]:
    """Tokens and score of the hypotheses of each source, by form."""
    model, options = random_model(density=0.5, seed=3), SearchOptions(beam=3, nbest=3, max_len_a=1, max_len_b=4)
    found = {}
    for form in FORMS:
        formats, _, values = form.partition(" ")
        engine = CompiledEngine(model, values or None, formats)
        found[form] = [[(one.tokens, one.score) for one in beam] for beam in engine.search(SOURCES, options)]
    return found


if __name__ == "__main__":
    print(json.dumps(translations()))
