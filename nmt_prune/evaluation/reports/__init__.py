"""From the records of many runs to results, aggregates, tables and figures."""
