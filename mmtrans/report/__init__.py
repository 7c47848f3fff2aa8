"""The report of a grid: tables, comparisons, plots, one page."""
