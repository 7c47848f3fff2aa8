import itertools

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from mmtrans.recipe import FUSIONS, Features, Fusion, Translation, parse, slug

PAPER_ROWS = [
    "T",
    "A",
    "V",
    "concat(T,V)",
    "concat(T,A)",
    "concat(A,V)",
    "T->V",
    "T->A",
    "A->T",
    "A->V",
    "V->T",
    "V->A",
    "concat(T,V,A)",
    "embed(T,V)->A",
    "embed(T,A)->V",
    "embed(A,V)->T",
    "embed(A,T)->V",
    "embed(V,T)->A",
    "embed(V,A)->T",
    "concat(T,V)->A",
    "concat(A,T)->V",
    "concat(V,A)->T",
    "T->concat(A,V)",
    "A->concat(T,V)",
    "concat(T,A)->concat(T,V)",
    "concat(T,V)->concat(T,A)",
]

TEXT, AUDIO, VIDEO = Features(("text",)), Features(("audio",)), Features(("video",))

features = st.lists(st.sampled_from(["text", "audio", "video"]), min_size=1, max_size=3, unique=True).map(
    lambda names: Features(tuple(names))
)
sources = st.recursive(features, lambda inner: st.builds(Translation, inner, features), max_leaves=5)
fusions = st.builds(lambda read, method: Fusion(read.modalities, method), features, st.sampled_from(sorted(FUSIONS)))
recipes = features | fusions | st.builds(Translation, sources, features)


def test_the_26_rows_of_the_paper_round_trip():
    assert len(PAPER_ROWS) == 26
    assert [str(parse(row)) for row in PAPER_ROWS] == PAPER_ROWS
    assert len({parse(row) for row in PAPER_ROWS}) == len({slug(parse(row)) for row in PAPER_ROWS}) == 26


def test_notation_means_this_structure():
    assert parse("V") == VIDEO
    assert parse("concat(V,T,A)") == Features(("video", "text", "audio"))
    assert parse("T->A") == Translation(TEXT, AUDIO)
    assert parse("tfn(V, T)") == Fusion(("video", "text"), "tfn") != Features(("video", "text"))
    assert parse("embed(T,A)->concat(V,T)") == Translation(Translation(TEXT, AUDIO), Features(("video", "text")))
    assert parse("embed(embed(T,A),V)->A") == Translation(Translation(Translation(TEXT, AUDIO), VIDEO), AUDIO)


@settings(deadline=None)
@given(recipes)
def test_every_recipe_round_trips(recipe):
    assert parse(str(recipe)) == recipe


@settings(deadline=None, max_examples=50)
@given(recipes, st.data())
def test_spaces_between_tokens_mean_nothing(recipe, data):
    tokens = str(recipe).replace("->", " -> ").replace("(", "( ").replace(")", " ) ").replace(",", " , ").split(" ")
    spaces = [data.draw(st.sampled_from(["", " ", "\t", "  \n"])) for _ in tokens]
    spaced = "".join(itertools.chain.from_iterable(zip(spaces, tokens, strict=True)))
    assert parse(spaced + spaces[0]) == recipe


@settings(deadline=None)
@given(st.text("TAV,()->concatembed ", max_size=24))
@example("embed(T,A)->concat(V,T)")
def test_any_text_is_a_recipe_or_a_value_error(text):
    message = None
    try:
        recipe = parse(text)
    except ValueError as error:
        message = str(error)
    if message is None:
        assert parse(str(recipe)) == recipe
    else:
        assert repr(text) in message
        assert "\n" not in message


@pytest.mark.parametrize(
    ("text", "inputs"),
    [("A", AUDIO), ("T->A", TEXT), ("embed(concat(V,A),T)->A", Features(("video", "audio"))), ("embed(V,T)->A", VIDEO)],
)
def test_inputs_are_the_innermost_source(text, inputs):
    assert parse(text).inputs == inputs


def test_translations_are_innermost_first():
    recipe = parse("embed(embed(T,A),concat(V,A))->T")
    assert [str(translation) for translation in recipe.translations] == [
        "T->A",
        "embed(T,A)->concat(V,A)",
        "embed(embed(T,A),concat(V,A))->T",
    ]
    assert recipe.translations[-1] is recipe
    assert parse("concat(T,V)").translations == ()


@pytest.mark.parametrize(
    ("text", "name"),
    [
        ("T", "T"),
        ("concat(T,V)", "concat_T_V"),
        ("T->A", "T_to_A"),
        ("tfn(T,A,V)", "tfn_T_A_V"),
        ("embed(T,A)->V", "embed_T_A_to_V"),
        ("concat(T,V)->concat(T,A)", "concat_T_V_to_concat_T_A"),
    ],
)
def test_slug(text, name):
    assert slug(parse(text)) == name


@pytest.mark.parametrize(
    ("text", "message"),
    [
        (
            "",
            r"Expected one of T, A, V, concat\(…\), embed\(…\), tfn\(…\), .* at character 1\. Received: the end in ''",
        ),
        ("X", r"Expected one of T, A, V, concat\(…\), embed\(…\), tfn\(…\), .* at character 1\. Received: 'X' in 'X'"),
        ("tfn(T,A)->V", r"Expected the end, as a fusion translates nothing at character 9\. Received: '-'"),
        ("tfn(T,concat(A,V))", r"Expected one of T, A, V at character 7\. Received: 'c'"),
        ("T->lmf(T,A)", r"Expected one of T, A, V or concat\(…\) at character 4\. Received: 'l'"),
        ("t->A", r"at character 1\. Received: 't'"),
        ("T->", r"Expected one of T, A, V or concat\(…\) at character 4\. Received: the end"),
        ("T -> embed(T,A)", r"Expected one of T, A, V or concat\(…\) at character 6\. Received: 'e'"),
        ("concat(concat(T,A),V)", r"Expected one of T, A, V at character 8\. Received: 'c'"),
        ("concat(T,,A)", r"Expected one of T, A, V at character 10\. Received: ','"),
        ("concat(T,V", r"Expected '\)' at character 11\. Received: the end"),
        ("concat(T,A,T)", r"not yet between the brackets \(they have T, A\) at character 12\. Received: 'T'"),
        ("T->A->V", r"Expected '->' or the end at character 5\. Received: '-'"),
        ("T A", r"Expected '->' or the end at character 3\. Received: 'A'"),
        ("embed(T)->V", r"Expected ',' at character 8\. Received: '\)'"),
        ("embed(T,A->V", r"Expected '\)' at character 10\. Received: '-'"),
        ("embed(T,embed(A,V))->T", r"Expected one of T, A, V or concat\(…\) at character 9\. Received: 'e'"),
    ],
)
def test_errors_point_at_the_character(text, message):
    with pytest.raises(ValueError, match=r"^Not a recipe\. .*" + message + r".*See `mmtrans train --help`"):
        parse(text)


@pytest.mark.parametrize(
    ("text", "name"),
    [
        ("T→A", "T->A"),
        ("text->audio", "T->A"),
        ("embed(text, A) → video", "embed(T,A)->V"),
        ("concat(text,video)", "concat(T,V)"),
    ],
)
def test_words_and_arrows_are_read_too(text, name):
    assert str(parse(text)) == name


@pytest.mark.parametrize("text", ["T-", "concat(T,A) -", "embed(T,A)-"])
def test_what_a_shell_leaves_of_an_unquoted_recipe_is_explained(text):
    with pytest.raises(ValueError, match=r"behind an unquoted > for a file.* in quotes"):
        parse(text)


def test_an_embedding_alone_is_refused():
    message = r"embed\(…\) alone.*Received: 'embed\(embed\(T,A\),V\)'\. Write 'embed\(T,A\)->V'\."
    with pytest.raises(ValueError, match=message):
        parse("embed(embed(T,A),V)")


def test_a_recipe_without_end_is_refused_in_a_short_sentence():
    assert len(parse("embed(" * 6 + "T" + ",A)" * 6 + "->V").translations) == 7
    for text in ("embed(" * 7 + "T" + ",A)" * 7 + "->V", "embed(" * 3000):
        with pytest.raises(
            ValueError, match=r"Expected at most 6 times embed\(…\)\. Received: more in 'embed"
        ) as caught:
            parse(text)
        assert len(str(caught.value)) < 300
    with pytest.raises(ValueError, match="Not a recipe") as caught:
        parse("T->A" + "->A" * 2000)
    assert len(str(caught.value)) < 300
