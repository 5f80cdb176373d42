"""``nmt-prune`` whose steps are forks of this process and not processes of their own, one after the other.

``python -m tests.experiments.one_process ARGUMENTS``, started by :mod:`tests.programs`, takes the arguments of
``nmt-prune``; a recipe of many tiny trainings does little else than starting Python. What runs is the same: the plan,
the steps, and the programs' own ``main`` with the arguments that they would be called with. Only Snakemake is left out.
"""

if __name__ == "__main__":
    # Not above: each process that prepares data imports its main module, and this imports torch.
    from tests.experiments.in_turn import start

    start()
