"""Export of a trained run: a SavedModel that needs nothing of ours, its model card, and .keras files."""

from mmtrans.export.archive import export

__all__ = ["export"]
