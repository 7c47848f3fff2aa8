"""Reader of our own plain format: one table and .npz files."""
