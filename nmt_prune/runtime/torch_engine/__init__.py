"""The engine that runs where nothing can be compiled: plain torch."""
