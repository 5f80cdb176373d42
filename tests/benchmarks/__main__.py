"""Runs the benchmarks: ``python -m tests.benchmarks [NAME ...]``."""

import argparse
import importlib
import os

os.environ.setdefault("OMP_NUM_THREADS", "1")

BENCHMARKS = (
    *("mask_computation", "training_step", "data_preparation"),
    *("shrunk_translation", "sparse_inference", "compact_storage", "matrix_products"),
    *("translation_speed", "translation_memory", "translation_scaling"),
)


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m tests.benchmarks", description="Times and measures nmt-prune.")
    parser.add_argument("names", nargs="*", metavar="NAME", help=f"which ones: {', '.join(BENCHMARKS)} (default: all)")
    names = parser.parse_args().names or BENCHMARKS
    if unknown := set(names) - set(BENCHMARKS):
        parser.error(f"unknown benchmark {', '.join(sorted(unknown))}; known: {', '.join(BENCHMARKS)}")
    for name in names:
        importlib.import_module(f"tests.benchmarks.{name}").run()


if __name__ == "__main__":
    main()
