"""Intervals and tests over videos and seeds."""
