"""What is written can be read again."""

import io

from benchmarks.records import Record, Start, read, write
from tests.benchmarks.samples import sample


def test_records_survive_being_written() -> None:
    """One line each, and the same values afterwards."""
    records: list[Record] = [
        sample("ours", 3),
        Start(round=0, server="ours", first_answer_s=1.5, idle_cpu_share=0.01),
    ]
    out = io.StringIO()

    for record in records:
        write(record, out)

    assert read(out.getvalue().splitlines()) == records
