"""Training of the phases of a run: loop, checkpoints, devices."""
