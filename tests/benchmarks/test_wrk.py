"""What wrk prints is read, and what it does not print is an error."""

import pytest

from benchmarks.wrk import Load, LoadError, find_wrk, parse

OUTPUT = """Running 1s test @ http://127.0.0.1:28123/predict
  1 threads and 8 connections
  Thread Stats   Avg      Stdev     Max   +/- Stdev
    Latency    23.06ms    3.35ms  35.98ms   83.33%
  324 requests in 1.00s, 210.33KB read
Requests/sec:    323.71

{"requests": 324, "seconds": 1.000912, "p50_ms": 23.561, "p99_ms": 35.980, \
"non_2xx": 3, "socket_errors": 1}
"""


def test_the_line_of_json_is_read() -> None:
    """The script's figures count, not wrk's own rounded ones; the CPU time is added."""
    load = parse(OUTPUT, cpu_s=0.02)

    assert load == Load(
        requests=324,
        seconds=1.000912,
        p50_ms=23.561,
        p99_ms=35.98,
        non_2xx=3,
        socket_errors=1,
        cpu_s=0.02,
    )


def test_output_without_a_result_is_an_error() -> None:
    """The message shows what wrk said instead."""
    with pytest.raises(LoadError, match="unable to connect"):
        parse("unable to connect to 127.0.0.1:1 Connection refused\n", cpu_s=0)


def test_a_missing_wrk_names_its_package(monkeypatch: pytest.MonkeyPatch) -> None:
    """The reader learns what to install."""
    monkeypatch.setenv("PATH", "/nowhere")

    with pytest.raises(LoadError, match="apt-get install wrk"):
        find_wrk()
