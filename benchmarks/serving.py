"""How fast the service is: beside the limit in process, naive servers, and its own past.

Each round starts every server anew, one after the other; then each cell is measured on all of
them in turn, so that what disturbs the machine disturbs all alike. The servers that are not
being measured lie idle meanwhile; the table of idle CPU says how idle.

    python -m benchmarks.serving --out serving.jsonl
    python -m benchmarks.serving --checkout old=../old --checkout new=. --naive --no-limit
"""

import itertools
import random
import sys
from collections.abc import Iterator, Sequence
from contextlib import ExitStack

from benchmarks.forms import FORMS, Message, message
from benchmarks.machine import this_machine
from benchmarks.options import Plan, parse
from benchmarks.pictures import KINDS, draw_all
from benchmarks.records import Record, Sample, write
from benchmarks.rounds import Round
from benchmarks.servers import ServerError, stopping_on_sigterm
from benchmarks.tables import report
from benchmarks.wrk import LoadError, find_wrk


def main(arguments: Sequence[str] | None = None) -> int:
    """Measure, write and print; return the exit status."""
    plan = parse(arguments)
    stopping_on_sigterm()
    machine = this_machine("benchmarks.serving", plan.checkouts)
    records: list[Record] = []
    try:
        wrk = find_wrk()
        with ExitStack() as stack:
            out = stack.enter_context(plan.out.open("w")) if plan.out else None
            for record in itertools.chain([machine], measure(plan, wrk)):
                records.append(record)
                print(progress(record), file=sys.stderr)
                if out:
                    write(record, out)
    except (LoadError, ServerError) as error:
        print(f"benchmarks.serving: {error}", file=sys.stderr)
        return 2
    print(report(machine, records))
    return 0


def measure(plan: Plan, wrk: str) -> Iterator[Record]:
    """Run all rounds; give each record as soon as it is there.

    Raises:
        ServerError: a server did not start.
        LoadError: wrk failed.
    """
    messages = _messages({cell.body for cell in plan.cells})
    order = random.Random(plan.seed)
    for number in range(plan.rounds):
        yield from Round(number, plan, wrk, messages, order).run()


def progress(record: Record) -> str:
    """Say in one line what was measured just now."""
    if isinstance(record, Sample):
        return (
            f"round {record.round}: {record.server}, {record.cell}: "
            f"{record.answers_per_s:.1f}/s, {record.cpu_ms:.2f} CPU ms"
        )
    return record.model_dump_json()


def _messages(bodies: set[str]) -> dict[tuple[str, str], Message]:
    """Draw each kind of picture once, and wrap it in every form."""
    drawn = {body: draw_all(KINDS[body]) for body in bodies}
    return {
        (form, body): message(form, pictures, KINDS[body].content_type)
        for body, pictures in drawn.items()
        for form in FORMS
    }


if __name__ == "__main__":
    sys.exit(main())
