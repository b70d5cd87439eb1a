"""When a process is replaced, and when the whole is given up."""

from service.processes.restarts import Restarts


def test_a_process_that_served_is_replaced_at_once() -> None:
    """However often: no caller waits for a process that could be there."""
    restarts = Restarts(2)

    waits = [restarts.wait_s(was_ready=True) for _ in range(100)]

    assert set(waits) == {0.0}
    assert not restarts.is_hopeless


def test_failures_to_start_are_tried_ever_later() -> None:
    """The wait doubles with each round of all processes, up to half a minute."""
    restarts = Restarts(2)

    waits = [restarts.wait_s(was_ready=False) for _ in range(60)]

    assert waits[:8] == [0.5, 0.5, 1, 1, 2, 2, 4, 4]
    assert waits[-1] == 30


def test_four_rounds_of_failures_are_hopeless() -> None:
    """Not fewer: a shortage may pass."""
    restarts = Restarts(2)

    hopeless = []
    for _ in range(8):
        restarts.wait_s(was_ready=False)
        hopeless.append(restarts.is_hopeless)

    assert hopeless == [False] * 7 + [True]


def test_one_success_makes_all_well() -> None:
    """After a process became ready, the count begins anew."""
    restarts = Restarts(1)
    for _ in range(4):
        restarts.wait_s(was_ready=False)

    restarts.ready()

    assert not restarts.is_hopeless
    assert restarts.wait_s(was_ready=False) == 0.5
