"""Made-up measurements."""

from benchmarks.records import Cell, Sample

RAW = Cell(form="raw", body="png32", clients=8)


def sample(server: str, number: int = 0, cell: Cell = RAW, **figures: float) -> Sample:
    """Make a sample: 100 answers/s at 2 ms of CPU, 10 ms and 20 ms of latency, 50 MB."""
    usual = {"answers_per_s": 100, "cpu_ms": 2, "p50_ms": 10, "p99_ms": 20, "memory_mb": 50}
    return Sample.model_validate(
        {"round": number, "server": server, "cell": cell, **usual, **figures}
    )
