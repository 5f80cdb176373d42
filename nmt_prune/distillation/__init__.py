"""Sequence-level distillation (Kim & Rush 2016): training data whose targets are a teacher's translations."""
