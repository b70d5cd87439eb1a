"""A plan is made once; parts are whole; Parquet and files are cut alike."""

from dataclasses import replace
from pathlib import Path

import pytest

from service.cluster.plan import Plan, Planned, Question
from service.cluster.shard import Shard, shards_in
from service.rows import RowsError

QUESTION = Question(("/photos",), "cifar10/4", "0" * 64, 1, None, 2, "image")
SHARDS = [Shard(("a.png", "b.png")), Shard(("c\udcff.png",))]


def made(folder: Path) -> tuple[Plan, list[Planned]]:
    """Make a plan of two shards."""
    plan = Plan(folder)
    plan.make(QUESTION, SHARDS)
    return plan, list(plan.shards())


def test_shards_are_read_by_their_place(tmp_path: Path) -> None:
    """Names of files that are no UTF-8 come back as they were; names of shards are in order."""
    plan, shards = made(tmp_path)

    assert [plan.shard(each) for each in shards] == SHARDS
    assert [each.name[:7] for each in shards] == ["000000-", "000001-"]
    assert list(Plan(tmp_path).shards()) == shards


def test_a_plan_is_not_made_twice(tmp_path: Path) -> None:
    """What is added to the source later does not move what is planned."""
    plan, shards = made(tmp_path)

    plan.make(QUESTION, iter([Shard(("new.png",))]))

    assert list(plan.shards()) == shards


@pytest.mark.parametrize(
    ("other", "message"),
    [
        (replace(QUESTION, model="cifar10/5"), "model cifar10/4, not cifar10/5"),
        (replace(QUESTION, sources=("/other",)), "sources"),
        (replace(QUESTION, confidence=0.9), "confidence None, not 0.9"),
    ],
)
def test_another_question_is_refused(tmp_path: Path, other: Question, message: str) -> None:
    """A folder never holds answers of two kinds."""
    plan, _ = made(tmp_path)

    with pytest.raises(RowsError, match=message):
        plan.make(other, SHARDS)


def test_nothing_to_score_leaves_no_plan(tmp_path: Path) -> None:
    """A later run may find pictures there."""
    plan = Plan(tmp_path / "scores")

    with pytest.raises(RowsError, match="no pictures in /photos"):
        plan.make(QUESTION, [])

    assert list(plan.folder.iterdir()) == []


def test_a_part_says_that_all_of_a_shard_is_there(tmp_path: Path) -> None:
    """Its failures are counted; those of a worker that was lost before its part are not."""
    plan, shards = made(tmp_path)
    lost = plan.folder / f"failed-{shards[0].name}.jsonl"
    lost.write_text("{}\n{}\n")
    (plan.folder / ".part-1.jsonl.abc").write_text("half")

    plan.write(shards[0], [{"path": "a.png"}, {"path": "b.png"}], [])
    plan.write(shards[1], [], [{"path": "c.png", "error": "no image"}])

    assert all(plan.is_done(each) for each in shards)
    assert plan.finish() == 1
    assert sorted(path.name[:6] for path in plan.folder.iterdir()) == [
        "failed",
        "part-0",
        "part-0",
        "plan.j",
    ]


def test_folders_are_cut_into_shards(tmp_path: Path) -> None:
    """Pictures in their order, as many at a time as asked."""
    for number in range(5):
        (tmp_path / f"{number}.png").write_bytes(b"")

    shards = list(shards_in([tmp_path], 2, "image"))

    assert [[Path(file).name for file in each.files] for each in shards] == [
        ["0.png", "1.png"],
        ["2.png", "3.png"],
        ["4.png"],
    ]


@pytest.fixture
def table(tmp_path: Path) -> Path:
    """Write a Parquet file of two row groups, with a row that holds nothing."""
    pyarrow = pytest.importorskip("pyarrow")
    from pyarrow import parquet  # noqa: PLC0415  an extra

    path = tmp_path / "some.parquet"
    parquet.write_table(pyarrow.table({"jpeg": [b"a", b"b", None]}), path, row_group_size=2)
    return path


def test_a_row_group_is_a_shard(table: Path) -> None:
    """Rows are named by their number in the file; folders are searched for such files."""
    shards = list(shards_in([table.parent], 100, "jpeg"))

    first, second = ([*each.pictures()] for each in shards)
    assert [each.path.name for each in first + second] == [f"some.parquet:{n}" for n in range(3)]
    assert [each.read() for each in first] == [b"a", b"b"]
    with pytest.raises(OSError, match="holds no bytes"):
        second[0].read()


def test_a_column_that_is_not_there_is_named(table: Path) -> None:
    """The message says which columns there are."""
    with pytest.raises(RowsError, match="no column image, but jpeg"):
        list(shards_in([table], 100, "image"))


def test_a_file_that_is_no_parquet_is_refused(tmp_path: Path) -> None:
    """It cannot be half read."""
    pytest.importorskip("pyarrow")
    path = tmp_path / "no.parquet"
    path.write_bytes(b"nothing")

    with pytest.raises(RowsError, match="is no Parquet file"):
        list(shards_in([path], 100, "image"))
