"""The door to all readers: tells the format of a source, and opens it."""

from __future__ import annotations

import socket
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from mmtrans.sources.account import Noted, note
from mmtrans.sources.columns import select_columns
from mmtrans.sources.corpus import Corpus
from mmtrans.sources.csd.format import FORMAT as CSD
from mmtrans.sources.format import NO_CACHE, OWN_OPTIONS, Format, SourceOptions
from mmtrans.sources.labels import ANY_LABEL, Labels, stated_scale
from mmtrans.sources.misa.format import FORMAT as MISA
from mmtrans.sources.neutral.format import FORMAT as NEUTRAL
from mmtrans.sources.padded.format import MFN, PICKLES
from mmtrans.sources.seen import Seen, look
from mmtrans.sources.text.lookup import look_up_words
from mmtrans.system.user_files import check_file

#: Every format; a new one is a line here.
FORMATS: tuple[Format, ...] = (
    CSD,
    MISA,
    *PICKLES,
    MFN,
    NEUTRAL,
)


def open_corpus(path: str | Path, *, format: str = "auto", **options: Any) -> Corpus:
    """Opens a file or folder in any known format.

    Args:
        path: what to read.
        format: the name of one of `FORMATS`, or `auto` to decide by content.
        options: fields of `mmtrans.sources.format.SourceOptions`, as in `open_corpus("corpus", glove="glove.txt")`.

    Returns:
        The corpus; its `read()` yields the segments.

    Raises:
        FileNotFoundError: there is nothing at `path`.
        ValueError: the format is unknown or cannot be told, an option does not fit it, or the files are damaged.
        TypeError: there is no such option.

    Example:
        ```pycon
        >>> corpus = api.open_corpus("corpus")
        >>> segment = next(corpus.read())
        >>> segment.features["audio"].shape == (len(segment.tokens), 74)
        True
        ```
    """
    return open_source(Path(path), format, SourceOptions(**options))


def open_source(path: Path, name: str, options: SourceOptions) -> Corpus:
    """As `open_corpus`, with the options in one."""
    by_name = {format.name: format for format in FORMATS}
    if name not in ("auto", *by_name):
        raise ValueError(
            f"Unknown source format. Expected one of {['auto', *by_name]}. Received: format={name!r}. {needs()}."
        )
    if not path.is_dir():
        check_file(path, "source", "a corpus file or folder")
    format, content = recognise(path) if name == "auto" else (by_name[name], None)
    format.check(options, path)
    corpus = format.open(path, options, content)
    corpus.takes_glove, corpus.text_dtype = "glove" in format.takes, options.text_dtype
    if options.label_range is not None:
        _state_scale(corpus, options.label_range)
    if options.text_encoder is not None:
        # Imported when needed: what else is read needs no encoder.
        from mmtrans.sources.text.encoding import encode_words

        corpus = encode_words(corpus, options)
    elif options.glove is not None and format.leaves_glove:
        # Words that are scored may all be unknown.
        corpus = look_up_words(corpus, options.glove, strict=options.label != ANY_LABEL)
    elif options.glove is not None and not corpus.takes_glove:
        vectors, reason = str(options.glove), OWN_OPTIONS["glove"]
        corpus.noted.append(note(Noted.VECTORS_NOT_TAKEN, vectors=vectors, format=format.name, reason=reason))
    if options.select is not None:
        corpus = select_columns(corpus, options.select)
    if corpus.num_units:
        corpus.opening = Opening(path, format.name, options, Path.cwd(), socket.gethostname())
    return corpus


@dataclass(frozen=True)
class Opening:
    """Opens a source again, in a process that may have another working directory and be on another machine.

    Attributes:
        path, name, options: the arguments of `open_source`.
        folder: the working directory that relative paths count from.
        host: name of the machine where the source was opened.
    """

    path: Path
    name: str
    options: SourceOptions
    folder: Path
    host: str

    def __call__(self) -> Corpus:
        path, options = self.path, self.options
        if Path.cwd() != self.folder:
            # Only where it must be: messages show the paths as they were given.
            path = self.folder / path
            named = {name: getattr(options, name) for name in ("glove", "text_encoder", "text_cache")}
            options = replace(options, **{name: self._anchored(name, value) for name, value in named.items()})
        if socket.gethostname() != self.host and options.text_encoder is not None:
            from mmtrans.sources.text.cache import folder_of_this_machine

            cache = options.text_cache
            if cache != NO_CACHE:
                options = replace(options, text_cache=folder_of_this_machine(None if cache is None else Path(cache)))
        return open_source(path, self.name, options)

    def _anchored(self, name: str, value: str | Path | None) -> str | Path | None:
        """An option's path, from the root on; what is no path stays what it is."""
        if value is None or (name == "text_cache" and value == NO_CACHE):
            return value
        path = self.folder / value
        # An encoder may have the name of a package or of a hub's model.
        return path if name != "text_encoder" or path.exists() else value


def needs() -> str:
    """What each format needs, in one clause."""
    named: dict[str, list[str]] = {}
    for format in FORMATS:
        named.setdefault(format.needs, []).append(format.name)
    parts = [f"{', '.join(names)} {what}" for what, names in named.items()]
    # The verb stands once, after the first name.
    return ", ".join(parts).replace(" ", " needs ", 1)


def recognise(path: Path) -> tuple[Format, object]:
    """Tells the format of an existing file or folder by what is in it.

    Returns:
        The format, and what the one pickle holds where it had to be unpickled to tell (it may be large), else `None`.

    Raises:
        ValueError: the source is of no format or of several, or a file that has to tell is damaged.
    """
    seen = look(path)
    found = _recognising(seen)
    names = [format.name for format in found]
    if seen.needs_content:
        if found:
            names.append("a pickle format")
        else:
            seen = seen.unpickled()
            found = _recognising(seen)
            names = [format.name for format in found]
    if len(names) > 1:
        raise ValueError(
            f"The source holds files of several formats ({' and '.join(names)}). Expected one format. "
            f"Received: {path}. Choose with --format {' or --format '.join(format.name for format in found)}."
        )
    if not found:
        raise _unknown(seen)
    return found[0], seen.content


def _recognising(seen: Seen) -> list[Format]:
    return [format for format in FORMATS if format.recognise(seen)]


def _unknown(seen: Seen) -> ValueError:
    what, file, remedy = "source", seen.path, ""
    if seen.needs_content or seen.roots:
        what = "pickle" if seen.needs_content else "HDF5 file"
        remedy = " Check the file, or write its data in the neutral format."
        file = next(iter(seen.roots), file)
    return ValueError(
        f"The {what} has no known format. Expected: {needs()}. Received: {file}, {seen.describe()}.{remedy}"
    )


def _state_scale(corpus: Corpus, label_range: Sequence[float]) -> None:
    labels = corpus.labels or Labels(corpus.label.name)
    scale, given = stated_scale(labels.name, label_range), labels.stated
    if given not in (None, scale):
        corpus.noted.append(note(Noted.SCALE_GIVES_WAY, low=given.low, high=given.high, neutral=given.neutral))
    corpus.label, corpus.labels = scale, replace(labels, stated=scale)
