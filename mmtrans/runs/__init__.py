"""Run directories: configuration, phases, weights, status."""
