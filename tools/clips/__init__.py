"""What clips cost: the parts of `tools.benchmark` that measure `mmtrans extract`."""
