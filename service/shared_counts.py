"""Where one of several processes counts: it goes on with the counts of the one that it replaces.

By itself the library has a file for each process that ever was, and a scrape reads them all.
"""

from typing import Any

from prometheus_client import values


def count_in_place(place: int) -> None:
    """Keep counters and histograms in the files of a place that no process has now.

    To be called before the first metric is made. Gauges stay in files of the process' own, for
    they end with it.
    """
    of_process: Any = values.MultiProcessValue()  # type: ignore[no-untyped-call]
    of_place: Any = values.MultiProcessValue(lambda: f"place{place}")  # type: ignore[no-untyped-call]

    class Value(of_process):  # type: ignore[misc]
        def __new__(cls, kind: str, *args: Any, **more: Any) -> Any:  # noqa: ANN401  of the library
            return (of_process if kind == "gauge" else of_place)(kind, *args, **more)

    values.ValueClass = Value
