"""From text alone to a score: the words get the vectors that a trained run reads, as its records' words got theirs."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from pathlib import Path
from typing import Any

from mmtrans.inference.predict import Prediction, predict
from mmtrans.inference.scorer import Scorer
from mmtrans.runs.run import Run
from mmtrans.sources.account import Noted, note
from mmtrans.sources.corpus import Corpus
from mmtrans.sources.format import NO_CACHE, SourceOptions
from mmtrans.sources.glove import open_glove
from mmtrans.sources.glove_index import find_file
from mmtrans.sources.text.encoding import encode_words
from mmtrans.sources.text.lookup import look_up_words
from mmtrans.sources.text.utterances import Utterance, numbered, open_utterances
from mmtrans.words.folder import open_folder

_SHOWN = 12


def predict_text(
    model: Run | Scorer | str | Path,
    texts: Sequence[str],
    *,
    text_encoder: str | Path | None = None,
    glove: str | Path | None = None,
    influence: bool = False,
) -> list[Prediction | None]:
    """Scores utterances with a run, or an exported model, that reads text alone and whose words had their vectors from
    an encoder or from a file of word vectors.

    Args:
        model: a run, an opened model, or the directory of either.
        texts: what is said, an utterance each.
        text_encoder: where the run's encoder lies now; where it was at conversion without it.
        glove: where the run's file of word vectors lies now; needed unless it is a large one that was read here.
        influence: whether each word's influence is told.

    Returns:
        a prediction for each text, whose id is the number of the text, from 1; `None` for a text without words.

    Raises:
        FileNotFoundError: there is no such model, encoder or file.
        ValueError: the model reads more than text; the encoder or the file is another one than in training; or none of
            the texts has words.

    Example:
        ```pycon
        >>> (prediction,) = api.predict_text("words", ["loved it"], glove="glove.txt")
        >>> prediction.words
        ('loved', 'it')
        ```
    """
    scorer = model if isinstance(model, Scorer) else Scorer.open(model.path if isinstance(model, Run) else model)
    corpus = open_text(scorer, numbered(texts), "texts", text_encoder=text_encoder, glove=glove)
    found = {prediction.id: prediction for prediction in predict(scorer, corpus, influence=influence)}
    return [found.get(str(number)) for number in range(1, len(texts) + 1)]


def open_text(
    scorer: Scorer,
    utterances: Sequence[Utterance],
    origin: str,
    *,
    text_encoder: str | Path | None = None,
    glove: str | Path | None = None,
) -> Corpus:
    """A corpus of utterances as a model reads them.

    Args:
        scorer: the model.
        utterances: what is said.
        origin: where it is from, for messages.
        text_encoder, glove: as of `predict_text`.

    Raises:
        FileNotFoundError, ValueError: as `predict_text`.
    """
    others = [name for name in scorer.modalities if name != "text"]
    if others or not scorer.modalities["text"]["aligned"]:
        received = f"one that reads {' and '.join(others)}" if others else "text whose steps are no words"
        raise ValueError(
            f"The model reads what text alone does not give. Expected one that reads words. Received: {received} "
            f"({scorer.name}). Give a source that has it, or a run of a recipe such as T or T->A."
        )
    corpus = open_utterances(utterances, origin)
    options = vectors_for(scorer, text_encoder=text_encoder, glove=glove)
    if "text_encoder" in options:
        return encode_words(corpus, SourceOptions(**options, text_cache=NO_CACHE), strict=False)
    if scorer.source_files is None:
        corpus.noted.append(note(Noted.VECTORS_NOT_COMPARED, vectors=str(options["glove"])))
    return look_up_words(corpus, options["glove"], strict=False)


def vectors_for(
    scorer: Scorer, *, text_encoder: str | Path | None = None, glove: str | Path | None = None
) -> dict[str, Any]:
    """The fields of `SourceOptions` by which words get the vectors that a model reads.

    Raises:
        FileNotFoundError, ValueError: as `predict_text`.
    """
    text = scorer.text
    if text is None:
        if text_encoder is not None:
            raise ValueError(
                f"The words had no text encoder in training. Expected --glove FILE alone. "
                f"Received: text_encoder={text_encoder} ({scorer.name}). Leave --text-encoder out."
            )
        return {"glove": _glove_of(scorer, scorer.source_files, glove)}
    options: dict[str, Any] = {"text_encoder": _encoder_of(text.encoder, text_encoder), "text_layers": text.layers}
    if text.pieces:
        options["text_pieces"] = text.pieces
    if text.glove_sha256 is not None:
        options["glove"] = _glove_of(scorer, {text.glove_sha256}, glove)
    elif glove is not None:
        raise ValueError(
            f"The words had no vectors of GloVe in training. Expected those of the encoder {text.encoder} alone. "
            f"Received: glove={glove} ({scorer.name}). Leave --glove out."
        )
    return options


def _encoder_of(name: str, given: str | Path | None) -> str:
    """Where the encoder of this name lies now; whether it is the same is seen when its vectors are read."""
    if given is not None:
        return str(given)
    try:
        open_folder(name)
    except FileNotFoundError as error:
        raise FileNotFoundError(f"{error} Or say with --text-encoder where the run's encoder lies now.") from error
    return name


def _glove_of(scorer: Scorer, digests: Collection[str] | None, given: str | Path | None) -> str | Path:
    """The file of word vectors that is named, or one that was read here: its sha256 is among those of training."""
    if given is None:
        found = next(filter(None, map(find_file, sorted(digests or ()))), None)
        if found is None:
            raise ValueError(
                f"The words need the word vectors of training, and no file of them is known here. Expected "
                f"--glove FILE{_of(digests)}. Received: none ({scorer.name}). Name the file. If the source of training "
                f"held the vectors itself, give a source that holds them too, in place of a text."
            )
        return found
    if digests is not None and (digest := open_glove(given).sha256) not in digests:
        raise ValueError(
            f"The file of word vectors is another one than in training. Expected one of the files that the records "
            f"were made of{_of(digests)}. Received: sha256={digest[:_SHOWN]} ({given}; {scorer.name}). "
            f"Give the same file."
        )
    return given


def _of(digests: Collection[str] | None) -> str:
    return f" of sha256 {' or '.join(digest[:_SHOWN] for digest in sorted(digests)[:3])}" if digests else ""
