"""Classes as callers name them, with and without commas of their own."""

from contextlib import suppress
from pathlib import Path
from urllib.parse import urlencode

import pytest
from hypothesis import given
from hypothesis import strategies as st

from service.errors import UnprocessableError
from service.http.classes import pair_of, places_of
from tests.pictures import coloured, encoded
from tests.service.models import app_on, filled_repository, served
from tests.trained import SmallModel

FISH = ("tench, Tinca tinca", "goldfish, Carassius auratus", "shark", "shark, great white")
# Short labels of few letters, so that one is often a part of another or of two.
LABELS = st.lists(
    st.text("ab, ", min_size=1, max_size=6).filter(lambda text: text == text.strip(" ,")),
    min_size=2,
    max_size=5,
    unique=True,
).map(tuple)


@pytest.mark.parametrize(
    ("values", "places"),
    [
        ([], []),
        ([""], []),
        (["shark"], [2]),
        (["tench, Tinca tinca"], [0]),
        (["tench, Tinca tinca,shark"], [0, 2]),
        (["shark , goldfish, Carassius auratus"], [2, 1]),
        (["shark, great white,shark"], [3, 2]),
        (["shark,shark, great white"], [2, 3]),
        (["shark", "tench, Tinca tinca,shark"], [2, 0, 2]),
    ],
)
def test_a_list_is_not_cut_inside_a_label(values: list[str], places: list[int]) -> None:
    """At once or piece by piece; where two readings are possible the longest label counts."""
    assert places_of(values, FISH) == places


@pytest.mark.parametrize(
    ("values", "places"),
    [
        ([], None),
        (["tench, Tinca tinca,goldfish, Carassius auratus"], (0, 1)),
        (["tench, Tinca tinca", "goldfish, Carassius auratus"], (0, 1)),
        (["shark,tench, Tinca tinca"], (2, 0)),
        (["shark, great white", "shark"], (3, 2)),
        (["shark,shark, great white"], (2, 3)),
        (["shark, great white , shark"], (3, 2)),
    ],
)
def test_a_contrast_takes_two_labels(values: list[str], places: tuple[int, int] | None) -> None:
    """In one text, cut where both sides are labels, or one after the other."""
    assert pair_of(values, FISH) == places


@pytest.mark.parametrize(
    ("values", "kind", "words"),
    [
        (["shark"], "bad-contrast", "two classes"),
        (["shark,shark"], "bad-contrast", "two classes"),
        (["shark,shark,shark"], "bad-contrast", "two classes"),
        (["shark", "shark"], "bad-contrast", "two classes"),
        (["shark", "shark, great white", "shark"], "bad-contrast", "two classes"),
        (["shark,whale"], "unknown-class", "no class 'whale'; there are tench"),
        (["shark", "whale, blue"], "unknown-class", "no class 'whale, blue'"),
        ([","], "bad-contrast", "two classes"),
    ],
)
def test_what_is_no_pair_is_told(values: list[str], kind: str, words: str) -> None:
    """With the kind of the problem and what would be right."""
    with pytest.raises(UnprocessableError, match=words) as caught:
        pair_of(values, FISH)

    assert caught.value.kind == kind


def test_a_text_with_two_readings_is_refused() -> None:
    """It says how to write it so that it has one."""
    labels = ("a", "a,b", "b,c", "c")

    with pytest.raises(UnprocessableError, match="several ways; write contrast=A&contrast=B"):
        pair_of(["a,b,c"], labels)

    assert pair_of(["a", "b,c"], labels) == (0, 2)
    assert pair_of(["a,b", "c"], labels) == (1, 3)


@given(LABELS, st.data())
def test_any_two_labels_can_be_told_apart(labels: tuple[str, ...], data: st.DataObject) -> None:
    """One after the other always; in one text that pair, or a refusal, never another pair."""
    first, second = data.draw(st.permutations(range(len(labels))))[:2]

    assert pair_of([labels[first], labels[second]], labels) == (first, second)
    with suppress(UnprocessableError):
        assert pair_of([f"{labels[first]},{labels[second]}"], labels) == (first, second)


@given(LABELS)
def test_any_label_alone_is_itself(labels: tuple[str, ...]) -> None:
    """Whatever commas it has."""
    assert places_of(labels, labels) == list(range(len(labels)))


def test_a_long_list_takes_no_time_of_its_own() -> None:
    """Thousands of commas are read once, not once for each."""
    with pytest.raises(UnprocessableError):
        places_of(["," * 60_000], FISH)
    with pytest.raises(UnprocessableError):
        pair_of(["," * 60_000], FISH)


def test_labels_with_commas_are_told_apart_by_the_service(
    tmp_path: Path, small_models: list[SmallModel]
) -> None:
    """Both spellings reach the same evidence."""
    small, labels = small_models[0], ("sky, blue", "grass, green", "red")
    renamed = small.manifest.model_copy(update={"labels": labels})
    filled_repository(tmp_path, [SmallModel(small.run, small.model, renamed, small.graphs)])
    file = encoded(coloured("red", 0))

    with served(app_on(tmp_path)) as client:
        answers = [
            client.post(f"/explain?{urlencode(query)}", content=file).json()
            for query in (
                [("contrast", "sky, blue,grass, green")],
                [("contrast", "sky, blue"), ("contrast", "grass, green")],
                [("classes", "sky, blue,red"), ("contrast", "red,sky, blue")],
            )
        ]

    contrasts = [[each["contrast"] for each in a["explanations"][0]["evidence"]] for a in answers]
    assert contrasts[:2] == [[["sky, blue", "grass, green"]]] * 2
    assert answers[0] == answers[1]
    assert contrasts[2] == [None, None, ["red", "sky, blue"]]
