"""Words as pieces: what a text encoder reads, and which word each piece is of."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import tokenizers
from tokenizers import models, normalizers, pre_tokenizers

from mmtrans.words.folder import EncoderFolder, read_tokenizer_settings
from tfrecords.stored import shown

#: Family → the marks at the beginning and end of a sentence, and what stands for pieces that are not known.
_MARKS = {
    "bert": ("[CLS]", "[SEP]", "[UNK]"),
    "distilbert": ("[CLS]", "[SEP]", "[UNK]"),
    "roberta": ("<s>", "</s>", "<unk>"),
}
_REMEDY = "Copy the encoder's folder whole."


@dataclass(frozen=True)
class Pieces:
    """The pieces of some words.

    Attributes:
        ids: `(pieces,)` int32, without marks.
        words: `(pieces,)` int32, the number of the word that each piece is of; it never falls. A word may have none.
    """

    ids: np.ndarray
    words: np.ndarray


class PieceReader:
    """Splits words into the pieces of an encoder's vocabulary.

    Args:
        folder: the encoder's folder.

    Attributes:
        begin: id of the mark that begins a sentence.
        end: id of the mark that ends it.
        unknown: id of what stands for a piece that is not known, or `None` where there is nothing.

    Raises:
        ValueError: the tokenizer is damaged, has no such marks, or more pieces than the encoder.
    """

    def __init__(self, folder: EncoderFolder) -> None:
        settings = read_tokenizer_settings(folder)
        self._tokenizer = _load(folder, settings)
        # A tokenizer may cut text and pad it, as its authors once used it.
        self._tokenizer.no_truncation()
        self._tokenizer.no_padding()
        # A word that looks like a mark is a word.
        self._tokenizer.encode_special_tokens = True
        known = self._tokenizer.get_vocab_size()
        if known > folder.settings.vocabulary:
            raise ValueError(
                f"The tokenizer is of another encoder. Expected at most {folder.settings.vocabulary} pieces. "
                f"Received: {known} ({folder.path}). {_REMEDY}"
            )
        begin, end, unknown = _MARKS[folder.settings.family]
        self.begin = self._mark(settings, "cls_token", begin, folder.path)
        self.end = self._mark(settings, "sep_token", end, folder.path)
        self.unknown = self._tokenizer.token_to_id(_text_of(settings, "unk_token", unknown))

    def _mark(self, settings: Mapping[str, Any], key: str, default: str, path: Path) -> int:
        text = _text_of(settings, key, default)
        found = self._tokenizer.token_to_id(text)
        if found is None:
            raise ValueError(
                f"The tokenizer lacks the mark of a sentence's end. Expected {default}. "
                f"Received: {key}={shown(text)} ({path}). {_REMEDY}"
            )
        return found

    def read(self, words: Sequence[str]) -> Pieces:
        """The pieces of words that are spoken one after the other.

        Args:
            words: words without blanks.
        """
        return self.read_all([words])[0]

    def read_all(self, sentences: Sequence[Sequence[str]]) -> list[Pieces]:
        """The pieces of each sentence's words."""
        texts = [" ".join(words) for words in sentences]
        encoded = self._tokenizer.encode_batch(texts, add_special_tokens=False)
        return [_pieces(words, found) for words, found in zip(sentences, encoded, strict=True)]


def _text_of(settings: Mapping[str, Any], key: str, default: str) -> str:
    """The text of a mark, which may stand there by itself, or with what else is known of it."""
    text = settings.get(key, default)
    return str(text.get("content") if isinstance(text, Mapping) else text)


def _pieces(words: Sequence[str], encoded: tokenizers.Encoding) -> Pieces:
    starts = np.cumsum([0, *(len(word) + 1 for word in words)])[:-1]
    # The last character of a piece tells its word: before the first there may be a blank.
    ends = np.array([end for _, end in encoded.offsets], np.int64)
    words_of = np.searchsorted(starts, ends - 1, side="right") - 1
    return Pieces(np.array(encoded.ids, np.int32), np.maximum(words_of, 0).astype(np.int32))


def _load(folder: EncoderFolder, settings: Mapping[str, Any]) -> tokenizers.Tokenizer:
    paths = [folder.path / name for name in folder.tokenizer]
    try:
        if folder.tokenizer == ("tokenizer.json",):
            return tokenizers.Tokenizer.from_file(str(paths[0]))
        texts = [path.read_text(encoding="utf-8") for path in paths]
        unknown = _MARKS[folder.settings.family][2]
        if folder.tokenizer == ("vocab.txt",):
            return _word_pieces(texts[0], unknown, settings)
        return _byte_pairs(*texts)
    except Exception as error:
        # What is wrong with a file, `tokenizers` says by `Exception` itself.
        if type(error) is Exception or isinstance(error, (ValueError, KeyError, TypeError, AttributeError)):
            raise _damaged(paths, error) from error
        raise


def _word_pieces(text: str, unknown: str, settings: Mapping[str, Any]) -> tokenizers.Tokenizer:
    vocabulary = {line.rstrip("\r"): number for number, line in enumerate(text.rstrip("\n").split("\n"))}
    tokenizer = tokenizers.Tokenizer(models.WordPiece(vocabulary, unk_token=unknown))
    strips, chinese = settings.get("strip_accents"), settings.get("tokenize_chinese_chars", True)
    tokenizer.normalizer = normalizers.BertNormalizer(
        lowercase=bool(settings.get("do_lower_case", True)), strip_accents=strips, handle_chinese_chars=bool(chinese)
    )
    tokenizer.pre_tokenizer = pre_tokenizers.BertPreTokenizer()
    return tokenizer


def _byte_pairs(vocabulary: str, merges: str) -> tokenizers.Tokenizer:
    lines = (line.partition(" ") for line in merges.splitlines() if line and not line.startswith("#version"))
    pairs = [(left, right) for left, _, right in lines]
    tokenizer = tokenizers.Tokenizer(models.BPE(json.loads(vocabulary), pairs))
    tokenizer.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    return tokenizer


def _damaged(paths: Sequence[Path], error: Exception) -> ValueError:
    names = " and ".join(path.name for path in paths)
    return ValueError(
        f"The tokenizer cannot be read. Expected {names} of the tokenizers library. "
        f"Received: {type(error).__name__} {str(error)[:120]} ({paths[0]}). {_REMEDY}"
    )
