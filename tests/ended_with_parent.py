"""Imported by the server of :mod:`tests.programs`, which would else go on for as long as a program of its runs."""

from nmt_prune.processes import die_with_parent

die_with_parent()
