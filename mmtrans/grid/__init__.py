"""Rows × seeds of recipes: planned, trained phase by phase in worker processes, each phase once."""
