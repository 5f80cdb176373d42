"""Damaged compact files: ``python -m tests.storage.fuzz N [SEED]`` reads N of them.

Every one must load or be refused by a PruneError, within a few seconds, without more memory than its size allows.
"""

import json
import random
import resource
import signal
import sys
import tempfile
from collections import Counter
from collections.abc import Callable
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
from safetensors import safe_open
from safetensors.numpy import save

from nmt_prune.errors import PruneError
from nmt_prune.kinds import MODEL
from nmt_prune.storage.coding.streams import compress, decompress_up_to
from nmt_prune.storage.format import compact_file
from nmt_prune.storage.format.compact_file import FORMAT, load_compact, save_compact
from nmt_prune.storage.format.encoded_tensor import decoded
from nmt_prune.storage.format.header import LARGEST_RATIO
from tests.storage.models import small_model

SECONDS = 10
BYTES_PER_ELEMENT = 40  # values, mask, row numbers and what NumPy needs in between
ODD_VALUES = (None, True, -1, 0, 1, 2, 7, 255, 256, 2**31, 2**63, 10**30, 0.5, float("nan"), "", "gaps", [], {}, [1, 1])


def damage_bytes(data: bytes, chance: random.Random) -> bytes:
    """Changes, removes, repeats or inserts some bytes anywhere in a file."""
    changed, place = bytearray(data), chance.randrange(len(data))
    end = min(len(data), place + chance.choice((1, 1, 2, 8, 100)))
    kind = chance.randrange(6)
    if kind == 0:
        changed[place] ^= 1 << chance.randrange(8)
    elif kind == 1:
        changed[place:end] = chance.randbytes(end - place)
    elif kind == 2:
        del changed[place:end]
    elif kind == 3:
        changed[place:place] = changed[place:end] if chance.random() < 0.5 else chance.randbytes(end - place)
    elif kind == 4:
        del changed[place:]
    else:
        changed[place:end] = bytes([chance.choice((0, 255))]) * (end - place)
    return bytes(changed)


def damage_tensor(data: bytes, chance: random.Random) -> bytes:
    """Changes bytes of one tensor; the digest is right."""
    tensors = dict(_tensors(data))
    name = chance.choice(list(tensors))
    tensors[name] = np.frombuffer(damage_bytes(tensors[name].tobytes(), chance), np.uint8)
    return _with_digest(tensors)


def damage_header(data: bytes, chance: random.Random) -> bytes:
    """Changes values of the header; the digest is right."""
    tensors = dict(_tensors(data))
    header = json.loads(decompress_up_to(tensors["header"].tobytes(), 10**6))
    for _ in range(chance.choice((1, 1, 1, 2, 5))):
        _change_leaf(header, chance)
    tensors["header"] = np.frombuffer(compress(json.dumps(header).encode()), np.uint8)
    return _with_digest(tensors)


DAMAGES: tuple[Callable[[bytes, random.Random], bytes], ...] = (damage_bytes, damage_tensor, damage_header)


def read_all(path: Path) -> None:
    """Loads a file and decodes every tensor, in both forms that engines ask for."""
    for weight in load_compact(path).weights.values():
        tensor = decoded(weight)
        tensor.dense()
        if len(weight.shape) == 2:
            tensor.csr()


def run(files: int, seed: int, folder: Path) -> Counter[str]:
    """Reads damaged files; returns how many of each kind were refused, and how many loaded."""
    chance, path, found = random.Random(seed), folder / "damaged.nmt", Counter[str]()
    originals = []
    for number in range(4):
        save_compact(small_model(number), path)
        originals.append(path.read_bytes())
    elements = LARGEST_RATIO * max(map(len, originals))
    _limit_memory(BYTES_PER_ELEMENT * elements)
    for number in range(files):
        damage = DAMAGES[number % len(DAMAGES)]
        path.write_bytes(damage(chance.choice(originals), chance))
        signal.alarm(SECONDS)  # its default action ends the process
        try:
            read_all(path)
            found[f"{damage.__name__}: loaded"] += 1
        except PruneError as error:
            if "\n" in str(error):
                raise AssertionError(f"more than one line: {error}") from None
            found[f"{damage.__name__}: refused"] += 1
        except BaseException:
            kept = Path(tempfile.gettempdir()) / "damaged.nmt"
            kept.write_bytes(path.read_bytes())
            print(f"file {number} of seed {seed} is kept as {kept}", file=sys.stderr)
            raise
        signal.alarm(0)
    return found


@cache
def _tensors(data: bytes) -> dict[str, np.ndarray]:
    with tempfile.NamedTemporaryFile() as file:
        Path(file.name).write_bytes(data)
        with safe_open(file.name, framework="np") as opened:
            return {name: opened.get_tensor(name) for name in opened.keys()}  # noqa: SIM118 (not a dict)


def _with_digest(tensors: dict[str, np.ndarray]) -> bytes:
    facts = {"format": FORMAT, "digest": compact_file._digest(tensors)}
    return save(tensors, metadata={MODEL: json.dumps(facts)})


def _change_leaf(value: Any, chance: random.Random) -> None:
    """Replaces, removes or adds one value somewhere inside nested objects and lists."""
    while True:
        keys = list(value) if isinstance(value, dict) else list(range(len(value)))
        if not keys:
            return
        key = chance.choice(keys)
        inner = value[key]
        if isinstance(inner, (dict, list)) and inner and chance.random() < 0.9:
            value = inner
            continue
        if chance.random() < 0.1:
            del value[key]
        elif type(inner) is int and chance.random() < 0.5:
            value[key] = inner + chance.choice((-1, 1, 8, 1000))
        else:
            value[key] = chance.choice(ODD_VALUES)
        return


def _limit_memory(more: int) -> None:
    pages = int(Path("/proc/self/statm").read_text().split()[0])
    limit = pages * resource.getpagesize() + more
    resource.setrlimit(resource.RLIMIT_AS, (limit, limit))


def main() -> None:
    files, seed = int(sys.argv[1]), int(sys.argv[2]) if len(sys.argv) > 2 else 1
    with tempfile.TemporaryDirectory() as folder:
        print(json.dumps(run(files, seed, Path(folder)), indent=2))


if __name__ == "__main__":
    main()
