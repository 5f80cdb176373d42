"""A compact model in memory."""
