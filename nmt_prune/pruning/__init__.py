"""Finding masks: the registries, the pruner that joins them, settings and tickets."""
