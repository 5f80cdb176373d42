"""``python -m nmt_prune.cli``, the same as ``nmt-prune``."""

from nmt_prune.cli import main

main()
