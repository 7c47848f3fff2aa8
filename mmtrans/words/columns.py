"""The columns of text that hold the pieces of words."""

from __future__ import annotations

from dataclasses import dataclass

from mmtrans.words.settings import EncoderSettings


@dataclass(frozen=True)
class PieceColumns:
    """The columns of pieces in text, and the encoder that reads them.

    Attributes:
        columns: number of columns, from the first.
        begin: id of the mark that begins a sentence.
        end: id of the mark that ends it.
        settings: the encoder's sizes.
    """

    columns: int
    begin: int
    end: int
    settings: EncoderSettings

    @property
    def most(self) -> int:
        """Most pieces of a segment that are read."""
        return self.settings.most_pieces - 2
