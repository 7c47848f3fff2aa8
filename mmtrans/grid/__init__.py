"""Rows × seeds of recipes: planned, trained phase by phase in worker processes, each phase once."""

#: Configuration fields that differ between the runs of a grid.
VARIED = ("recipe", "seed", "untrained", "label_fraction")
