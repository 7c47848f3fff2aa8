"""Multimodal sequence-to-sequence sentiment analysis."""

__version__ = "0.1.0"
