"""Metrics, plots and result files of runs."""
