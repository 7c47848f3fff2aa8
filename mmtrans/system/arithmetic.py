"""Arithmetic of whole numbers that Python lacks."""

from __future__ import annotations


def ceil_div(dividend: int, divisor: int) -> int:
    """The quotient, rounded up: how many groups of `divisor` things hold `dividend` of them."""
    return -(-dividend // divisor)
