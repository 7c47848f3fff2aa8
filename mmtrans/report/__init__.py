"""The report of a grid, the table of runs, and two of them in comparison."""
