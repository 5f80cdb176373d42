"""Runs the benchmarks, ``python -m tests.benchmarks [NAME ...]``, or shows speeds: ``... table FILE ...``."""

import argparse
import importlib
import logging
import os
import sys
from pathlib import Path

os.environ.setdefault("OMP_NUM_THREADS", "1")

BENCHMARKS = (
    *("mask_computation", "training_step", "distillation_step", "data_preparation"),
    *("shrunk_translation", "sparse_inference", "compact_storage", "matrix_products"),
    *("translation_speed", "translation_deployed", "translation_parts", "translation_memory", "translation_scaling"),
    *("real_model", "pareto", "rounding", "serving", "report_page", "sweep"),
)


def main() -> None:
    if sys.argv[1:2] == ["table"]:
        show_table(sys.argv[2:])
        return
    parser = argparse.ArgumentParser(prog="python -m tests.benchmarks", description="Times and measures nmt-prune.")
    parser.add_argument("names", nargs="*", metavar="NAME", help=f"which ones: {', '.join(BENCHMARKS)} (default: all)")
    parser.add_argument(
        "--runs",
        type=Path,
        metavar="RUNS_DIR",
        help="of real_model, pareto and rounding: trained runs, by default those of make demo, of the recipe"
        " deployed-libreoffice-help and of make frontier;"
        " of sweep: runs whose times are looked at instead of running it",
    )
    parser.add_argument(
        "--model",
        type=Path,
        default="model.nmt",
        metavar="FILE",
        help="of serving: packed model; default: %(default)s, which the README's first tour makes",
    )
    parser.add_argument(
        "--text",
        type=Path,
        default="data-bin/numbers.en-de/raw/test.en",
        metavar="FILE",
        help="of serving: lines to translate, one a request; default: %(default)s",
    )
    arguments = parser.parse_args()
    given = dict.fromkeys(("real_model", "pareto", "rounding", "sweep"), (arguments.runs,))
    given["serving"] = (arguments.model, arguments.text)
    names = arguments.names or BENCHMARKS
    if unknown := set(names) - set(BENCHMARKS):
        parser.error(f"unknown benchmark {', '.join(sorted(unknown))}; known: {', '.join(BENCHMARKS)}")
    logging.disable(logging.INFO)  # fairseq has everybody log
    for name in names:
        importlib.import_module(f"tests.benchmarks.{name}").run(*given.get(name, ()))


def show_table(arguments: list[str]) -> None:
    """Prints the tables that the documentation has of JSON files of ``translation_deployed``."""
    from tests.benchmarks.speed_table import speed_tables

    parser = argparse.ArgumentParser(prog="python -m tests.benchmarks table", description=show_table.__doc__)
    parser.add_argument("files", nargs="+", type=Path, metavar="FILE", help="results/translation_deployed*.json")
    print(speed_tables(parser.parse_args(arguments).files))


if __name__ == "__main__":
    main()
