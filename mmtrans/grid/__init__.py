"""Rows × seeds of recipes: planned, trained phase by phase, each phase once."""
