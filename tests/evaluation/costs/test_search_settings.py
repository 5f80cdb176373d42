"""Flags of fairseq-generate, read by fairseq itself and by us."""

import pytest
from fairseq import options
from fairseq.dataclass.utils import convert_namespace_to_omegaconf

from nmt_prune.errors import PruneError
from nmt_prune.evaluation.costs.search_settings import search_options, settings_of
from nmt_prune.evaluation.quality.translation import Decoding
from nmt_prune.runtime.settings.search_options import SearchOptions

FLAGS = [
    "",
    "--max-len-a 1.2 --max-len-b 10 --min-len 3",
    "--unkpen 0.5 --temperature 0.7 --no-repeat-ngram-size 2",
    "--unnormalized --batch-size 7 --num-workers 0 --quiet --fp16 --cpu",
]


@pytest.mark.parametrize("flags", FLAGS)
def test_as_fairseq_reads_them(flags):
    decoding = Decoding(beam=4, lenpen=0.6, extra=tuple(flags.split()))
    arguments = ["data", "--path", "x.pt", *decoding.flags()]
    parsed = options.parse_args_and_arch(options.get_generation_parser(), arguments)
    assert search_options(decoding) == settings_of(convert_namespace_to_omegaconf(parsed).generation)


def test_all_of_them():
    flags = "--unkpen 0.5 --max-len-a 1.5 --max-len-b 9 --min-len 2 --no-repeat-ngram-size 3 --temperature 0.5"
    found = search_options(Decoding(3, 0.8, extra=(*flags.split(), "--unnormalized")))
    assert found == SearchOptions(3, 1, 1.0, 0.5, 1.5, 9, 2, 3, False, 0.5)


@pytest.mark.parametrize("flags", ["--sampling", "--prefix-size 2", "--diverse-beam-groups=2"])
def test_what_only_fairseq_knows(flags):
    with pytest.raises(PruneError, match=f"{flags.split()[0]} of fairseq-generate has no counterpart"):
        search_options(Decoding(extra=tuple(flags.split())))


def test_what_is_no_number():
    with pytest.raises(PruneError, match="flags of fairseq-generate: argument --min-len: invalid int value: 'two'"):
        search_options(Decoding(extra=("--min-len", "two")))
