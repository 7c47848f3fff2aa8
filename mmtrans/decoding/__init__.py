"""Decoding over a step function: rollout and beam search."""
