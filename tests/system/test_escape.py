import html.parser
import json
import re
import subprocess
import unicodedata

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from mmtrans.system.escape import (
    for_file_name,
    for_html,
    for_json,
    for_latex,
    for_markdown,
    for_plot,
    for_shell,
    for_terminal,
)

#: What a stranger's corpus may call a segment, a word, a label or a column. Other tests put them into whole corpora.
HOSTILE = (
    "\x1b]0;title\x07\x1b[31mred",
    "\x9b2J cleared",
    "two\nlines",
    "next\u2028line\x85and\tthis",
    "\u202egnp.exe",
    "bell\x07\x7f\x01",
    "[x](javascript:alert(1))",
    "<img src=x onerror=alert(1)>",
    "'\"><script>alert(1)</script>",
    "$\\x{$",
    "a | b ~~c~~ *d* _e_ `f`",
    "../../escape",
    "/etc/passwd",
    "C:\\con",
    "=1+1",
    "# heading",
    "[red]markup[/red]",
    "字 é 🙂",
)

any_text = st.text(st.characters()) | st.sampled_from(HOSTILE)


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("T->A é 字 👩\u200d👧", "T->A é 字 👩\u200d👧"),
        ("\x1b[2J", r"\x1b[2J"),
        ("a\nb\tc\r", r"a\nb\tc\r"),
        ("\x85\u2028\u2029", r"\x85\u2028\u2029"),
        ("\u202eabc\u2066", r"\u202eabc\u2066"),
        ("a\udcff\x9b", r"a\udcff\x9b"),
        ("\U000e0041\ufeff", r"\U000e0041\ufeff"),
    ],
)
def test_a_terminal_shows_what_it_would_obey(text, shown):
    assert for_terminal(text) == shown


@given(any_text)
def test_a_terminal_gets_one_line_of_characters_that_it_shows(text):
    shown = for_terminal(text)
    assert not any(unicodedata.category(character) in ("Cc", "Cs", "Zl", "Zp") for character in shown)
    assert not any(unicodedata.bidirectional(c) in ("LRE", "RLE", "LRO", "RLO", "LRI", "RLI", "FSI") for c in shown)
    assert len(shown.splitlines()) <= 1
    assert for_terminal(shown) == shown
    shown.encode("utf-8")


@given(st.lists(any_text))
def test_json_says_the_same_in_one_line(texts):
    line = for_json(json.dumps(texts, ensure_ascii=False))
    assert json.loads(line) == texts
    assert for_terminal(line) == line


def test_json_escapes_beyond_the_first_plane_in_halves():
    assert for_json('"\U000e0041\x9b"') == r'"\udb40\udc41\u009b"'


@pytest.mark.parametrize(
    ("text", "markdown"),
    [
        ("T->A, seed 3 (valid)", "T->A, seed 3 (valid)"),
        ("[x](javascript:1)", r"\[x\](javascript:1)"),
        ("![i](http://x)", r"!\[i\](http://x)"),
        ("<b>&amp;", "&lt;b>&amp;amp;"),
        ("a|b ~~c~~ $d$", "a&#124;b &#126;&#126;c&#126;&#126; &#36;d&#36;"),
        ("*a* _b_ `c` \\", r"\*a\* \_b\_ \`c\` \\"),
        ("# a", r"\# a"),
        ("> a", r"\> a"),
        ("- a", r"\- a"),
        ("---", r"\---"),
        ("-0.31", "-0.31"),
        ("12. a", r"12\. a"),
        ("3) a", r"3\) a"),
        ("1.5", "1.5"),
        ("    code", "&#32;   code"),
        ("a\n# b\x1b", r"a\\n# b\\x1b"),
        ("", ""),
    ],
)
def test_markdown_shows_the_text_itself(text, markdown):
    assert for_markdown(text) == markdown


class Page(html.parser.HTMLParser):
    """What a browser reads: tags with their attributes, and the text."""

    def __init__(self, source):
        super().__init__()
        self.tags, self.text = [], ""
        self.feed(source)
        self.close()

    def handle_starttag(self, tag, attrs):
        self.tags.append((tag, attrs))

    def handle_data(self, data):
        self.text += data


@given(any_text)
def test_html_holds_text_and_attribute_values_only(text):
    page = Page(f'<i title="{for_html(text)}">{for_html(text)}</i>')
    assert page.tags == [("i", [("title", for_terminal(text))])]
    assert page.text == for_terminal(text)


@pytest.mark.parametrize("text", ["video3[0]", "a-b_c.d", "2024", "x" * 100])
def test_a_plain_name_stays(text):
    assert for_file_name(text) == text


@given(st.lists(any_text, unique=True, max_size=6))
@example(["a/b", "a_b", for_file_name("a/b"), "A/b", "a:b"])
@example(["video[0]", "Video[0]", "VIDEO[0]"])
@example(["", ".", "..", "con", "CON.txt", "nul.", "com1/x", "x.", "x"])
@example(["é" * 300, "é" * 301, "a" * 300, "a" * 101])
def test_file_names_are_portable_and_differ(texts):
    names = [for_file_name(text) for text in texts]
    assert len({name.casefold() for name in names}) == len(texts)
    for name in names:
        assert re.fullmatch(r"[A-Za-z0-9_][A-Za-z0-9._\[\]-]{0,99}", name)
        assert not name.endswith(".")
        stem = name.casefold().split(".")[0]
        assert not re.fullmatch(r"con|prn|aux|nul|com\d|lpt\d", stem)


def test_a_name_of_many_parts_leads_nowhere():
    assert for_file_name("../../etc/passwd").startswith("_.._.._etc_passwd-")
    assert for_file_name("03bSnISJMiM[0]").startswith("03bSnISJMiM[0]-")


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("$\\x{$", r"\$\x{\$"),
        ("US$ 5", r"US\$ 5"),
        ("_nolegend_", " _nolegend_"),
        ("a\nb", r"a\nb"),
        ("a" * 80, "a" * 59 + "…"),
    ],
)
def test_plots_show_text_as_it_is(text, shown):
    assert for_plot(text) == shown


@pytest.mark.parametrize("text", HOSTILE)
def test_matplotlib_draws_it_without_mathematics(text):
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.cbook import is_math_text
    from matplotlib.figure import Figure

    assert not is_math_text(for_plot(text))
    figure = Figure(figsize=(2, 2))
    axes = figure.add_subplot()
    axes.plot([0, 1], label=for_plot(text))
    assert axes.get_legend_handles_labels()[1] == [for_plot(text)]
    FigureCanvasAgg(figure).draw()


@pytest.mark.parametrize(
    ("text", "word"),
    [
        ("runs/T-ab12", "runs/T-ab12"),
        ("my runs/a'b", "'my runs/a'\"'\"'b'"),
        ("-run", "./-run"),
        ("$(date);x", "'$(date);x'"),
        ("a\x1b[2Jb'\\", "$'a\\x1b[2Jb\\'\\\\'"),
        ("", "''"),
    ],
)
def test_a_word_of_a_shell_command_is_that_word(text, word):
    assert for_shell(text) == word
    if not text.startswith("-"):
        spoken = subprocess.run(["bash", "-c", f"printf %s {word}"], capture_output=True, text=True, check=True)
        assert spoken.stdout == text


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("50 % of A_1 & {B} #2 $x$", r"50 \% of A\_1 \& \{B\} \#2 \$x\$"),
        ("\\input{x}", r"\textbackslash{}input\{x\}"),
        ("T->A ² ± ≥", r"T{-}$>$A $^2$ $\pm$ $\geq$"),
        ("\x1b[0m", r"\textbackslash{}x1b[0m"),
    ],
)
def test_latex_says_what_the_text_says(text, expected):
    assert for_latex(text) == expected
