"""Commands of a checkout: short cuts, and the benchmark."""
