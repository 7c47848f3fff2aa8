"""Fusion models of other papers, as recipes beside the translations: the same records, training, metrics and exports.

Each has a module, which names its paper, its equations, and what the paper leaves open.
"""
