"""The synthetic corpus, whose ceilings are known."""
