"""Measurements of the engine: grids, scheduling alone, conversion by several workers."""
