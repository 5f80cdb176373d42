"""One model that somebody has, pruned by one command: the recipe for it, its run, and a page about what came out."""
