"""The text encoder that reads the pieces of words in records: where it is now, and whether a configuration fits it."""

from __future__ import annotations

from typing import Any

from mmtrans.config import Config
from mmtrans.config.text import ALL
from mmtrans.data.records import Records
from mmtrans.models.pieces import find_text_encoder
from mmtrans.recipe import parse
from mmtrans.words.columns import PieceColumns
from mmtrans.words.folder import EncoderFolder, open_folder
from mmtrans.words.pieces import PieceReader
from mmtrans.words.weights import load_weights
from tfrecords.manifest import TextColumns


def columns_of(records: Records) -> TextColumns | None:
    """What the columns of text are where the first of them hold pieces of words; else `None`."""
    columns = records.manifest.text
    return columns if columns is not None and columns.pieces else None


def piece_columns(records: Records) -> PieceColumns | None:
    """The columns of pieces and their encoder, as a run keeps them; `None` for records without pieces.

    Raises:
        FileNotFoundError: the encoder is not where it was in conversion.
        ValueError: there is another encoder.
    """
    columns = columns_of(records)
    if columns is None:
        return None
    folder = _open(columns, records)
    reader = PieceReader(folder)
    return PieceColumns(columns.pieces, reader.begin, reader.end, folder.settings)


def fill_text_encoder(model: Any, records: Records) -> None:
    """Gives a model's text encoder, if it has one, the weights with which the records' encoder comes."""
    encoder, columns = find_text_encoder(model), columns_of(records)
    if encoder is not None and columns is not None:
        load_weights(encoder, _open(columns, records))


def check_pieces(config: Config, records: Records) -> None:
    """Raises a ValueError where a text encoder is to move that is not there, or has fewer layers, or where pieces of
    words would be written."""
    recipe, tuned, columns = parse(config.plan.recipe), config.text.tune_text_encoder, columns_of(records)
    if "text" in recipe.inputs.modalities and tuned != "0":
        if columns is None:
            raise ValueError(
                f"The records hold no pieces of words. Expected text that a text encoder can read. "
                f"Received: tune_text_encoder={tuned} ({records.directory}). Convert the source again with "
                f"--text-encoder NAME --text-pieces, or leave --tune-text-encoder out."
            )
        layers = _open(columns, records).settings.num_layers
        if tuned != ALL and int(tuned) > layers:
            raise ValueError(
                f"The text encoder has fewer layers. Expected at most {layers}, or {ALL} for its embeddings too. "
                f"Received: tune_text_encoder={tuned} ({columns.encoder}). Give a smaller number."
            )
    written = [name for translation in recipe.translations for name in translation.target.modalities]
    written += recipe.inputs.modalities if recipe.translations and config.output.cycle_weight else ()
    if columns is not None and "text" in written:
        raise ValueError(
            f"Pieces of words cannot be written. Expected a text of vectors where it is translated into. "
            f"Received: recipe={recipe}, cycle_weight={config.output.cycle_weight:g}, with {columns.pieces} columns of "
            f"pieces ({records.directory}). Convert the source again without --text-pieces."
        )


def leaves_encoder(config: Config, records: Records) -> bool:
    """Whether a run reads pieces of words by a text encoder of which nothing moves, nor did in a run before."""
    reads_text = "text" in parse(config.plan.recipe).inputs.modalities
    is_left = config.text.tune_text_encoder == "0" and not config.plan.init
    return reads_text and is_left and columns_of(records) is not None


def _open(columns: TextColumns, records: Records) -> EncoderFolder:
    try:
        folder = open_folder(records.text_encoder or columns.encoder)
    except FileNotFoundError as error:
        raise FileNotFoundError(
            f"{error} The records of {records.directory} were made with it; say where it is by --text-encoder DIR."
        ) from error
    if folder.sha256 != columns.sha256:
        raise ValueError(
            f"The text encoder is another than that of the records. Expected sha256 {columns.sha256[:12]}, as in "
            f"conversion. Received: {folder.sha256[:12]} ({folder.path}). Say where the other is by --text-encoder "
            f"DIR, or convert the source again."
        )
    return folder
