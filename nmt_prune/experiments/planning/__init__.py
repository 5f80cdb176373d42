"""From a recipe to a plan: which run follows from which, with which flags."""
