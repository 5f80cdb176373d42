"""A shortlist in Marian's file, in the order of Marian's words."""

import numpy as np

from nmt_prune.storage.model.shortlist import from_lists
from tests.benchmarks.marian_shortlist import write_marian


def test_the_file_holds_the_lists(tmp_path):
    shortlist = from_lists([2], [[], [], [], [], [5], [4, 3]], 6)
    write_marian(shortlist, [3, 0, 2, 5, 4], [3, 0, 2, 5, 4], tmp_path / "lex.bin")
    content = (tmp_path / "lex.bin").read_bytes()
    header = np.frombuffer(content[:48], np.uint64).tolist()
    assert (hex(header[0]), header[1:]) == ("0xf11a48d5013417f5", [0, 0, 3, 6, 8])
    assert np.frombuffer(content[48:96], np.uint64).tolist() == [0, 1, 2, 3, 6, 8]
    assert np.frombuffer(content[96:], np.uint32).tolist() == [2, 2, 2, 0, 2, 4, 2, 3]
