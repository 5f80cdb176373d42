"""How to translate: arguments, search options and their limits."""
