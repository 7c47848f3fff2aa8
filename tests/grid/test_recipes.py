import pytest

from mmtrans.grid.recipes import PAPER, PAPER_EXTRA, read_recipes
from mmtrans.recipe import parse

# Typed from Tables 1-3, not from the source.
TABLES = """
T; A; V; concat(T,V); concat(T,A); concat(A,V); T->V; T->A; A->T; A->V; V->T; V->A; concat(T,V,A); embed(T,V)->A;
embed(T,A)->V; embed(A,V)->T; embed(A,T)->V; embed(V,T)->A; embed(V,A)->T; concat(T,V)->A; concat(A,T)->V;
concat(V,A)->T; T->concat(A,V); A->concat(T,V); concat(T,A)->concat(T,V); concat(T,V)->concat(T,A)
"""


def test_the_papers_rows():
    assert read_recipes("paper") == PAPER == tuple(text.strip() for text in TABLES.split(";"))
    assert len(PAPER) == 26


def test_the_extra_rows_repeat_audio_or_video():
    assert PAPER_EXTRA[:26] == PAPER
    for text in PAPER_EXTRA[26:]:
        recipe = parse(text)
        assert str(recipe) == text
        assert set(recipe.source.modalities) & set(recipe.target.modalities) & {"audio", "video"}
    assert len(set(PAPER_EXTRA)) == len(PAPER_EXTRA)


def test_the_rivals_stand_beside_what_reads_the_same():
    assert read_recipes("rivals")[:4] == ("T", "concat(T,A,V)", "tfn(T,A,V)", "lmf(T,A,V)")
    assert [str(parse(text)) for text in read_recipes("rivals")] == list(read_recipes("rivals"))
    unaligned = read_recipes("rivals-unaligned")
    assert unaligned[:5] == ("T", "A", "V", "tfn(T,A,V)", "lmf(T,A,V)")
    apart = [text for text in read_recipes("rivals") if parse(text).reads_apart({"video"})]
    assert set(apart) == set(unaligned[3:])


def test_a_file_has_one_recipe_per_line(tmp_path):
    text = "T -> A  # the best\n\n# mine\n  concat(T, V)\nT->A\n"
    # Editors of Windows begin a file with a byte order mark.
    (tmp_path / "list").write_text(f"\ufeff{text}", encoding="utf-8")
    assert read_recipes(str(tmp_path / "list")) == ("T->A", "concat(T,V)")


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"T\n\nT->Q\n", r"list, line 3: Not a recipe\. Expected .* at character 4\. Received: 'Q' in 'T->Q'"),
        (b"T\n  T->Q\n", r"line 2: Not a recipe\. .* at character 6\. Received: 'Q' in '  T->Q'"),
        (b"# nothing\n", r"No recipe there\. .*recipes=.*list"),
        (b"\xff\xfe", r"The list of recipes cannot be read: it is text in UTF-16"),
    ],
)
def test_bad_files_are_refused(tmp_path, content, message):
    (tmp_path / "list").write_bytes(content)
    with pytest.raises(ValueError, match=message) as caught:
        read_recipes(str(tmp_path / "list"))
    assert "\n" not in str(caught.value)


def test_neither_a_list_nor_a_file():
    with pytest.raises(
        FileNotFoundError,
        match=r"There is no list of recipes at papers\. Expected paper, .*, rivals-unaligned, recipes such as 'T,T->",
    ):
        read_recipes("papers")


@pytest.mark.parametrize(
    ("text", "recipes"),
    [
        ("T,T->A", ("T", "T->A")),
        ("concat(T, V)->A, embed(T,A)->V,T,T", ("concat(T,V)->A", "embed(T,A)->V", "T")),
        ("T → A", ("T->A",)),
    ],
)
def test_recipes_are_written_out(text, recipes):
    assert read_recipes(text) == recipes


def test_a_file_comes_before_recipes(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "T").write_text("A->V\n")
    assert read_recipes("T") == ("A->V",)


@pytest.mark.parametrize("text", ["T,Q", "T->Q", "T,,A"])
def test_a_recipe_that_is_none_is_named(text):
    with pytest.raises(ValueError, match=r"Not a recipe"):
        read_recipes(text)
