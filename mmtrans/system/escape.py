"""Text from strangers (ids, words, names of labels, columns, runs and files) as each place that shows it needs it.

Corpora, records, runs and exports come from others, and what they say is text, never an instruction: to a terminal, to
a reader of Markdown, to a browser, to a file system or to matplotlib. Each place has one function. It takes plain text,
and is applied once, where the text is put in. Files for programs (CSV, JSON) hold the text as it is.
"""

from __future__ import annotations

import hashlib
import re
import shlex
from pathlib import Path

#: What a terminal obeys instead of showing it: control characters, what turns the direction of reading, what hides
#: text or ends a line unseen; and halves of characters, which no output can encode. Joiners, which emoji and some
#: scripts need, are not among them.
_UNSEEN = re.compile(
    "[\x00-\x1f\x7f-\x9f\u061c\u200b\u200e\u200f\u2028-\u202e\u2060-\u206f\ufeff\ufff9-\ufffb"
    "\ud800-\udfff\U000e0000-\U000e007f]"
)

_MARKDOWN = {"<": "&lt;", "&": "&amp;", "|": "&#124;", "~": "&#126;", "$": "&#36;"}
_MARKDOWN |= {character: f"\\{character}" for character in "\\`*_[]"}

#: What begins a heading, a list, a quotation, the line below a heading, or, indented, a block of code.
_BLOCK = re.compile(r"#|>|[-+=](?=$|[-+= ])| |(?P<number>\d{1,9})(?=[.)]($| ))")

_LATEX = {character: f"\\{character}" for character in "#$%&_{}"}
_LATEX |= {"\\": r"\textbackslash{}", "~": r"\textasciitilde{}", "^": r"\textasciicircum{}", "|": r"\textbar{}"}
_LATEX |= {"<": "$<$", ">": "$>$", "-": "{-}", "\N{MINUS SIGN}": "$-$", "\N{EN DASH}": "--", "±": r"$\pm$"}
_LATEX |= {"↑": r"$\uparrow$", "↓": r"$\downarrow$", "≥": r"$\geq$", "≠": r"$\neq$", "“": "``", "”": "''"}
_LATEX |= {character: f"$^{digit}$" for digit, character in enumerate("⁰¹²³⁴⁵⁶⁷⁸⁹")}

_HTML = {"&": "&amp;", "<": "&lt;", ">": "&gt;", '"': "&quot;", "'": "&#39;"}

#: A file name that says itself: it means the same to every file system, also to those that ignore case.
_PLAIN = re.compile(r"[a-z0-9][a-z0-9._\[\]-]{0,99}")
_RESERVED = re.compile(r"(con|prn|aux|nul|com\d|lpt\d)(\..*)?", re.IGNORECASE)
_LIKE_A_DIGEST = re.compile(r".*-[0-9a-f]{12}")

#: Characters of an id that are kept in a file name, those of its digest, and those of a text in a plot.
_KEPT, _DIGEST, PLOT_LIMIT = 64, 12, 60


def for_terminal(text: str) -> str:
    """One line for a terminal: control and direction characters, and ends of lines, as escapes (`\\x1b`, `\\n`)."""
    return _UNSEEN.sub(lambda found: found[0].encode("unicode_escape").decode("ascii"), text)


def for_shell(text: str | Path) -> str:
    """One word of a command that is there to be copied: quoted where a shell would take it apart, or for a flag."""
    text = str(text)
    if _UNSEEN.search(text):
        escaped = for_terminal(text.replace("\\", "\\\\").replace("'", "\\'"))
        return f"$'{escaped}'"
    return shlex.quote(f"./{text}" if text.startswith("-") else text)


def for_json(text: str) -> str:
    """The same for a line that `json.dumps` wrote: as JSON's own escapes, so that it still says the same."""
    return _UNSEEN.sub(_json_escape, text)


def for_markdown(text: str) -> str:
    """Inline text of Markdown: no markup, link, HTML, mathematics, or cell of a table; not for code between backticks.

    The text may stand at the start of a line.
    """
    text = for_terminal(text)
    block = _BLOCK.match(text)
    start = block[0] if block else ""
    rest = "".join(_MARKDOWN.get(character, character) for character in text[len(start) :])
    if start == " ":
        return f"&#32;{rest}"
    if block and block["number"]:
        return f"{start}\\{rest}"
    return f"\\{start}{rest}" if start else rest


def for_html(text: str) -> str:
    """Text of an HTML element, or of an attribute between quotes."""
    return "".join(_HTML.get(character, character) for character in for_terminal(text))


def for_latex(text: str) -> str:
    """Text of LaTeX, whatever engine reads it: no command, and mathematics for signs that not every font has."""
    return "".join(_LATEX.get(character, character) for character in for_terminal(text))


def for_file_name(text: str) -> str:
    """A part of a file name: never empty, at most 100 ASCII characters, no folder, and different for different texts.

    Lower-case ASCII text with digits, `.`, `_`, `-`, `[` and `]` stays as it is. Of any other text, such characters
    stay in upper case, too, and a digest of the whole tells it from others, where a file system ignores case as well.
    Windows' own names (`con`, `nul.txt`) are not returned.
    """
    if _PLAIN.fullmatch(text) and not (_RESERVED.fullmatch(text) or _LIKE_A_DIGEST.fullmatch(text) or text[-1] == "."):
        return text
    kept = re.sub(r"[^A-Za-z0-9._\[\]-]", "_", text[:_KEPT])
    if not kept[:1].isalnum() or _RESERVED.fullmatch(kept):
        kept = f"_{kept}"
    digest = hashlib.sha256(text.encode("utf-8", "surrogatepass")).hexdigest()
    return f"{kept}-{digest[:_DIGEST]}"


def for_plot(text: str, limit: int = PLOT_LIMIT) -> str:
    """Text of a matplotlib picture: no mathematics, no second line, not hidden from a legend, and cut to a length.

    Args:
        text: plain text.
        limit: number of characters at most; what is longer ends in `…`.
    """
    text = for_terminal(text)
    text = text if len(text) <= limit else f"{text[: limit - 1]}…"
    # A legend passes over what begins with an underscore.
    return (f" {text}" if text.startswith("_") else text).replace("$", r"\$")


def _json_escape(found: re.Match) -> str:
    units = found[0].encode("utf-16-be", "surrogatepass")
    return "".join(f"\\u{units[i : i + 2].hex()}" for i in range(0, len(units), 2))
