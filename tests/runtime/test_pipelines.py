"""Raw text is translated as fairseq-generate translates its binarized form, however it was split in training."""

import io
import json
import re
from collections.abc import Callable
from pathlib import Path

import pytest
import sentencepiece
from fairseq.data.encoders.gpt2_bpe_utils import get_encoder
from fairseq_cli import preprocess
from sacremoses import MosesDetokenizer, MosesTokenizer
from subword_nmt.apply_bpe import BPE
from subword_nmt.learn_bpe import learn_bpe

from data_prep.corpora import choose
from data_prep.data_folder import prepare
from data_prep.download.fetching import Fetching
from data_prep.preparation import Preparation
from nmt_prune.checkpoints import Checkpoint
from nmt_prune.evaluation.quality.joining import joining
from nmt_prune.evaluation.quality.subset import Subset
from nmt_prune.evaluation.quality.translation import Decoding, generate_command, run_fairseq
from nmt_prune.runtime.settings.search_options import SearchOptions
from nmt_prune.runtime.translator import Translator
from nmt_prune.storage.checkpoints.from_checkpoint import compact_model
from nmt_prune.storage.format.compact_file import save_compact
from nmt_prune.storage.model.splitting import AS_FOUND
from nmt_prune.text.subwords import gpt2_alphabet
from tests.tasks.fairseq_command import run
from tests.tasks.training import train

pytestmark = [pytest.mark.slow, pytest.mark.usefixtures("fairseq_starts_at_once")]

ENGLISH = [
    "one",
    "two",
    "three",
    "seventeen",
    "well-known",
    "“stop,”",
    "don’t",
    "– so",
    "😀",
    "(yes)",
    "ä…",
    "eighteen",
]
GERMAN = ["eins", "zwei", "drei", "siebzehn", "bekannte", "„halt“", "nicht", "– so", "😀", "(ja)", "ö…", "achtzehn"]
PAIRS = [
    tuple(
        " ".join(side[(7 * number + 5 * place) % 12] for place in range(1 + number % 6)) for side in (ENGLISH, GERMAN)
    )
    for number in range(120)
]
LINES, LANGUAGES = [list(side) for side in zip(*PAIRS, strict=True)], ("en", "de")
HELD_OUT = 15

Split = Callable[[str], str]
Setup = tuple[list[Split], list[object], Callable[[str], str]]
"""How each side is split, flags of fairseq-train that say so, and how hypotheses are joined."""


def pieces(folder: Path, *, name: str = "m", text: list[str] | None = None, **settings: object) -> Setup:
    model = io.BytesIO()
    arguments = {"vocab_size": 60, "hard_vocab_limit": False, "normalization_rule_name": "identity", **settings}
    text = text or [*LINES[0], *LINES[1]]
    sentencepiece.SentencePieceTrainer.train(
        sentence_iterator=iter(text), model_writer=model, minloglevel=2, **arguments
    )
    (folder / f"{name}.model").write_bytes(model.getvalue())
    processor = sentencepiece.SentencePieceProcessor(model_proto=model.getvalue())
    flags = ["--bpe", "sentencepiece", "--sentencepiece-model", folder / f"{name}.model"]
    return (
        [lambda line: " ".join(processor.encode(line, out_type=str))] * 2,
        flags,
        lambda line: processor.decode(line.split(" ")).strip(),
    )


def bytes_only(folder: Path) -> Setup:
    """Whatever is not ASCII is spelt in bytes."""
    ascii_text = [line.encode("ascii", "ignore").decode() for side in LINES for line in side]
    return pieces(folder, text=ascii_text, byte_fallback=True, vocab_size=320)


def two_models(folder: Path) -> Setup:
    """A SentencePiece model for each side; fairseq's configuration has room for the source's."""
    source, target = (pieces(folder, name=name, text=text) for name, text in zip(LANGUAGES, LINES, strict=True))
    return [source[0][0], target[0][0]], source[1], target[2]


def codes(folder: Path, moses: bool = False, fastbpe: bool = False) -> Setup:
    tokenizers = [MosesTokenizer(language) if moses else None for language in LANGUAGES]
    detokenizer = MosesDetokenizer("de")

    def tokenize(tokenizer: MosesTokenizer | None, line: str) -> str:
        if tokenizer is None:
            return line
        return str(tokenizer.tokenize(line, aggressive_dash_splits=True, return_str=True))

    words = [tokenize(tokenizer, line) for tokenizer, lines in zip(tokenizers, LINES, strict=True) for line in lines]
    learned = io.StringIO()
    learn_bpe(io.StringIO("\n".join(words)), learned, 40)
    content = learned.getvalue()
    bpe = BPE(io.StringIO(content))
    if fastbpe:
        content = "".join(f"{merge} {99 - number}\n" for number, merge in enumerate(content.splitlines()[1:]))
    (folder / "learned").write_text(content, encoding="utf-8")
    flags = ["--bpe", "fastbpe" if fastbpe else "subword_nmt", "--bpe-codes", folder / "learned"]

    def join(line: str) -> str:
        joined = re.sub("@@( |$)", "", line)
        return str(detokenizer.detokenize(joined.split())) if moses else joined

    splits = [lambda line, tokenizer=tokenizer: bpe.process_line(tokenize(tokenizer, line)) for tokenizer in tokenizers]
    return splits, [*flags, *(["--tokenizer", "moses"] if moses else [])], join


def gpt2(folder: Path) -> Setup:
    merges = ["t h", "th r", "Ġ t", "e n", "i n", "z e", "Ġ d", "e e"]
    symbols = [*gpt2_alphabet().values(), *(merge.replace(" ", "") for merge in merges)]
    (folder / "encoder.json").write_text(json.dumps({symbol: number for number, symbol in enumerate(symbols)}))
    (folder / "vocab.bpe").write_text("#version: 0.2\n" + "".join(f"{merge}\n" for merge in merges), encoding="utf-8")
    files = {"--gpt2-encoder-json": folder / "encoder.json", "--gpt2-vocab-bpe": folder / "vocab.bpe"}
    encoder = get_encoder(*map(str, files.values()))
    flags = ["--bpe", "gpt2", *(word for flag in files.items() for word in flag)]
    return (
        [lambda line: " ".join(map(str, encoder.encode(line)))] * 2,
        flags,
        lambda line: encoder.decode(list(map(int, line.split()))).strip(),
    )


def nothing(folder: Path) -> Setup:
    return [str, str], [], str


KINDS: dict[str, tuple[Callable[[Path], Setup], bool]] = {
    "unigram": (lambda folder: pieces(folder, model_type="unigram"), True),
    "sentencepiece bpe": (lambda folder: pieces(folder, model_type="bpe"), True),
    "byte fallback": (bytes_only, True),
    "two sentencepiece models": (two_models, False),
    "subword_nmt": (codes, True),
    "subword_nmt, two dictionaries": (codes, False),
    "fastbpe": (lambda folder: codes(folder, fastbpe=True), True),
    "moses and subword_nmt": (lambda folder: codes(folder, moses=True), True),
    "gpt2": (gpt2, True),
    "words": (nothing, False),
}


@pytest.mark.parametrize("kind", KINDS)
def test_raw_text_is_translated_as_binarized_text(kind, tmp_path):
    setup, is_joined = KINDS[kind]
    splits, flags, join = setup(tmp_path)
    for name, chosen in (("train", slice(HELD_OUT, None)), ("test", slice(HELD_OUT))):
        for language, split, lines in zip(LANGUAGES, splits, LINES, strict=True):
            text = "".join(f"{split(line)}\n" for line in lines[chosen])
            (tmp_path / f"{name}.{language}").write_text(text, encoding="utf-8")
    data = tmp_path / "data-bin"
    languages = ["--source-lang", "en", "--target-lang", "de", *(["--joined-dictionary"] if is_joined else [])]
    prefixes = [f"--{name}pref={tmp_path / name}" for name in ("train", "test")]
    run(preprocess.cli_main, *languages, *prefixes, "--destdir", data, "--workers", 1)
    without = "" if is_joined else "--share-all-embeddings"
    train(data, tmp_path / "run", *flags, "--max-update 60 --max-tokens 400", without=without)
    checkpoint = tmp_path / "run" / "checkpoint_last.pt"
    save_compact(compact_model(Checkpoint.load(checkpoint)), tmp_path / "model.nmt")
    expected = hypotheses(data, checkpoint, tmp_path)
    assert len({beam[0] for beam in expected}) > 2
    for model in (checkpoint, tmp_path / "model.nmt"):
        results = Translator(model, "torch").translate_lines(LINES[0][:HELD_OUT], SearchOptions(nbest=3))
        assert [result.lines for result in results] == [[join(line) for line in beam] for beam in expected]
    _, scored = joining(Checkpoint.load(checkpoint), Subset(data, "test", *LANGUAGES, data), None, (), AS_FOUND)
    assert scored is not None
    assert [scored(line.split(" ")) for line, *_ in expected] == [join(line) for line, *_ in expected]


def test_text_of_a_cleaned_corpus(tmp_path):
    """Curly quotes, long dashes and the like were normalised in the training text, and are in what is translated."""
    for name, chosen in (("train", slice(HELD_OUT, None)), ("valid", slice(HELD_OUT)), ("test", slice(HELD_OUT))):
        for language, lines in zip(LANGUAGES, LINES, strict=True):
            text = "".join(f"{number} {line}\n" for number, line in enumerate(lines[chosen]))
            (tmp_path / f"{name}.{language}").write_text(text, encoding="utf-8")
    corpus = choose("plain", **{name: str(tmp_path / name) for name in ("train", "valid", "test")})
    preparation = Preparation.of(corpus, vocab_size=70, model_type="bpe", clean=True)
    data = tmp_path / "data-bin"
    prepare(corpus, preparation, data, fetching=Fetching(tmp_path / "cache", lambda line: None))
    train(data, tmp_path / "run", "--max-update 20 --max-tokens 400")
    checkpoint = tmp_path / "run" / "checkpoint_last.pt"
    save_compact(compact_model(Checkpoint.load(checkpoint)), tmp_path / "model.nmt")
    expected = [
        [line.replace(" ", "").replace("▁", " ").strip() for line in beam]
        for beam in hypotheses(data, checkpoint, tmp_path)
    ]
    lines = (data / "raw" / "test.en").read_text(encoding="utf-8").splitlines()
    assert any("“" in line for line in lines)
    for model in (checkpoint, tmp_path / "model.nmt"):
        results = Translator(model, "torch").translate_lines(lines, SearchOptions(nbest=3))
        assert [result.lines for result in results] == expected


def hypotheses(data: Path, checkpoint: Path, folder: Path) -> list[list[str]]:
    """The three best of each sentence of fairseq-generate's, in subwords."""
    subset = Subset(data, "test", *LANGUAGES, data)
    command = generate_command(checkpoint, subset, Decoding(cpu=True, extra=("--nbest", "3")), folder)
    run_fairseq(command, str(checkpoint), {"OMP_NUM_THREADS": "1"})
    found: dict[int, list[str]] = {}
    output = (folder / "generate-test.txt").read_text(encoding="utf-8")
    for number, line in re.findall(r"^H-(\d+)\t[^\t]+\t(.*)$", output, re.MULTILINE):
        found.setdefault(int(number), []).append(line)
    return [found[number] for number in sorted(found)]
