"""The notation of experiments: `T`, `concat(T,V)`, `T->A`, `embed(T,A)->V`, `concat(T,V)->concat(T,A)`, `tfn(T,A,V)`.

    recipe    = source [ "->" features ] | fusion
    fusion    = method "(" letter { "," letter } ")"
    method    = a key of `FUSIONS`, such as "tfn"
    source    = features | "embed(" source "," features ")"
    features  = letter | "concat(" letter { "," letter } ")"
    letter    = "T" | "A" | "V"

`→` is read as `->`, and `text`, `audio`, `video` as their letters.

`tfn(…)` and the others of `FUSIONS` are fusion models of other papers, see `mmtrans.models.rivals`.

`embed(X,Y)` is the encoder's output of a trained `X->Y`; a recipe whose source is one is a hierarchical translation.
"""

from __future__ import annotations

from collections.abc import Sequence, Set
from dataclasses import dataclass
from typing import NoReturn

from tfrecords.stored import shown

#: Most translations that a hierarchical recipe chains before its last; file names hold so many.
MOST_EMBEDS = 6

#: Fusion models: method → its paper; `late` is the baseline of all of them, and no paper's.
FUSIONS = {
    "tfn": "Zadeh et al. 2017, tensor fusion",
    "lmf": "Liu et al. 2018, low-rank multimodal fusion",
    "mult": "Tsai et al. 2019, crossmodal transformers",
    "misa": "Hazarika et al. 2020, modality-invariant and -specific subspaces",
    "late": "a score from each modality, and their sum",
    "mfn": "Zadeh et al. 2018a, memory fusion",
    "marn": "Zadeh et al. 2018b, multi-attention recurrence",
    "mvlstm": "Rajagopalan et al. 2016, multi-view LSTM",
    "gme": "Chen et al. 2017, gated multimodal embedding with temporal attention",
    "bclstm": "Poria et al. 2017, context over the segments of a video",
}

#: Methods whose score of a segment depends on the other segments of its video.
WHOLE_VIDEOS = frozenset({"bclstm"})

#: Methods whose modalities may have steps of their own: nothing in them goes step by step through several modalities.
OWN_STEPS = frozenset({"tfn", "lmf", "mult", "misa", "late", "bclstm"})

LETTERS = {"T": "text", "A": "audio", "V": "video"}
LETTER_OF = {name: letter for letter, name in LETTERS.items()}


@dataclass(frozen=True)
class Features:
    """Features of one modality, or of several concatenated at each step; as a recipe, the paper's baseline.

    Attributes:
        modalities: full names in the order of concatenation, e.g. `("text", "video")`.
    """

    modalities: tuple[str, ...]

    def __str__(self) -> str:
        return self.letters if len(self.modalities) == 1 else f"concat({self.letters})"

    @property
    def letters(self) -> str:
        """The modalities' letters, with commas between them."""
        return ",".join(LETTER_OF[name] for name in self.modalities)

    @property
    def inputs(self) -> Features:
        """The features that must be present at test time."""
        return self

    @property
    def reads_videos(self) -> bool:
        """Whether a segment's score depends on the other segments of its video, so that batches hold whole videos."""
        return False

    def reads_apart(self, unaligned: Set[str]) -> bool:
        """Whether each modality is read at its own steps, given the modalities whose steps are not the words'."""
        return False

    @property
    def translations(self) -> tuple[Translation, ...]:
        """The translations to train before the regressor, innermost first: none."""
        return ()


@dataclass(frozen=True)
class Fusion(Features):
    """Features of some modalities, which a fusion model joins. They share their steps, as in a concatenation, but for
    methods of `OWN_STEPS`.

    Attributes:
        method: a key of `FUSIONS`.
    """

    method: str

    def __str__(self) -> str:
        return f"{self.method}({self.letters})"

    @property
    def reads_videos(self) -> bool:
        """Whether a segment's score depends on the other segments of its video, so that batches hold whole videos."""
        return self.method in WHOLE_VIDEOS

    def reads_apart(self, unaligned: Set[str]) -> bool:
        """Whether each modality is read at its own steps, given the modalities whose steps are not the words'."""
        has_several = len(self.modalities) > 1
        return has_several and self.method in OWN_STEPS and not unaligned.isdisjoint(self.modalities)


@dataclass(frozen=True)
class Translation:
    """A translation of `source` into `target`; the regressor reads the encoder's output.

    Attributes:
        source: what the encoder reads: features, or the encoder's output of another translation.
        target: what the decoder writes.
    """

    source: Features | Translation
    target: Features

    def __str__(self) -> str:
        source = self.source
        text = f"embed({_embedded(source)})" if isinstance(source, Translation) else str(source)
        return f"{text}->{self.target}"

    @property
    def inputs(self) -> Features:
        """The features that must be present at test time."""
        return self.source.inputs

    @property
    def translations(self) -> tuple[Translation, ...]:
        """The translations to train before the regressor, innermost first; the last one is this recipe."""
        return (*self.source.translations, self)

    def has_own_steps(self, unaligned: Set[str]) -> bool:
        """Whether the target has other steps than the source, given the modalities whose steps are not the words'."""
        # Features of several modalities are aligned to words, all of them.
        source, target = self.inputs.modalities[0], self.target.modalities[0]
        return source != target and not unaligned.isdisjoint((source, target))


Recipe = Features | Translation


def _embedded(translation: Translation) -> str:
    source = translation.source
    text = f"embed({_embedded(source)})" if isinstance(source, Translation) else str(source)
    return f"{text},{translation.target}"


def parse(text: str) -> Recipe:
    """Parses a recipe. `str()` of the result is the canonical name.

    Raises:
        ValueError: the text is no recipe; the message points at the character.

    Example:
        ```pycon
        >>> str(api.parse("concat( T, A ) -> V"))
        'concat(T,A)->V'
        ```
    """
    return _Parser(text).recipe()


def modalities_of(recipe: Recipe) -> tuple[str, ...]:
    """All modalities that training a recipe reads, each once, in the order of mention."""
    own = (
        recipe.modalities
        if isinstance(recipe, Features)
        else (*modalities_of(recipe.source), *recipe.target.modalities)
    )
    return tuple(dict.fromkeys(own))


def slug(recipe: Recipe) -> str:
    """A name of the recipe for files and directories: `embed(T,A)->V` gives `embed_T_A_to_V`."""
    return str(recipe).replace("->", "_to_").replace(")", "").replace("(", "_").replace(",", "_")


class _Parser:
    """A recursive-descent parser: one method a rule of the grammar above."""

    def __init__(self, text: str) -> None:
        self.text = text
        self.position = 0
        self.depth = 0

    def recipe(self) -> Recipe:
        for method in FUSIONS:
            if self.accept(f"{method}("):
                fusion = Fusion(self.letters(), method)
                self.expect_end("the end, as a fusion translates nothing")
                return fusion
        source = self.source()
        if self.accept("->") or self.accept("→"):
            source = Translation(source, self.features())
            self.expect_end()
        else:
            self.expect_end()
            if isinstance(source, Translation):
                raise ValueError(
                    f"Recipe embed(…) alone is not trained for anything. Expected embed(X,Y)->Z, or X->Y for one "
                    f"translation. Received: {self.text!r}. Write {str(source)!r}."
                )
        return source

    def source(self) -> Recipe:
        if not self.accept("embed("):
            return self.features(
                f"one of T, A, V, concat(…), embed(…), {', '.join(f'{method}(…)' for method in FUSIONS)}"
            )
        self.depth += 1
        if self.depth > MOST_EMBEDS:
            raise ValueError(
                f"Not a recipe that can be trained. Expected at most {MOST_EMBEDS} times embed(…). "
                f"Received: more in {shown(self.text)}. Translate fewer times."
            )
        source = self.source()
        self.expect(",")
        target = self.features()
        self.expect(")")
        return Translation(source, target)

    def features(self, expected: str = "one of T, A, V or concat(…)") -> Features:
        if not self.accept("concat("):
            return Features((self.letter(expected),))
        return Features(self.letters())

    def letters(self) -> tuple[str, ...]:
        """The modalities up to the closing bracket."""
        names = [self.letter()]
        while self.accept(","):
            names.append(self.letter(excluded=names))
        self.expect(")")
        return tuple(names)

    def letter(self, expected: str = "one of T, A, V", excluded: Sequence[str] = ()) -> str:
        self.skip_spaces()
        rest = self.text[self.position :]
        word = next((word for word in (*LETTER_OF, *LETTERS) if rest.startswith(word)), "")
        name = LETTERS.get(word, word)
        if not name:
            self.fail(expected)
        if name in excluded:
            self.fail(
                f"a modality that is not yet between the brackets "
                f"(they have {', '.join(LETTER_OF[name] for name in excluded)})"
            )
        self.position += len(word)
        return name

    def skip_spaces(self) -> None:
        while self.text[self.position : self.position + 1].isspace():
            self.position += 1

    def accept(self, token: str) -> bool:
        self.skip_spaces()
        found = self.text.startswith(token, self.position)
        if found:
            self.position += len(token)
        return found

    def expect(self, token: str) -> None:
        if not self.accept(token):
            self.fail(repr(token))

    def expect_end(self, expected: str = "'->' or the end") -> None:
        self.skip_spaces()
        if self.text[self.position :] == "-":
            raise ValueError(
                f"Not a recipe. Expected '->' and a target. Received: {shown(self.text)}. A shell takes what stands "
                f"behind an unquoted > for a file, and may have made one: write the recipe in quotes, as in 'T->A'."
            )
        if self.position < len(self.text):
            self.fail(expected)

    def fail(self, expected: str) -> NoReturn:
        received = repr(self.text[self.position]) if self.position < len(self.text) else "the end"
        raise ValueError(
            f"Not a recipe. Expected {expected} at character {self.position + 1}. "
            f"Received: {received} in {shown(self.text)}. See `mmtrans train --help` for the notation."
        )
