"""Translating on a CPU, without fairseq, with kernels that skip what was pruned."""
