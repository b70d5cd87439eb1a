"""Settings: flags over environment over defaults, contradictions refused."""

import pytest
from pydantic import ValidationError

from model.artifact.repository import BUNDLED_REPOSITORY
from service.__main__ import main
from service.settings import Settings


def test_defaults_serve_the_bundled_model() -> None:
    """Without any setting the bundled repository is served on the loopback."""
    settings = Settings()

    assert settings.repository == str(BUNDLED_REPOSITORY)
    assert (settings.host, settings.port, settings.device) == ("127.0.0.1", 8000, "auto")


def test_every_setting_is_an_environment_variable(monkeypatch: pytest.MonkeyPatch) -> None:
    """The prefix is GOODSERVE_, the rest is the setting's name."""
    monkeypatch.setenv("GOODSERVE_MAX_BATCH_SIZE", "128")
    monkeypatch.setenv("GOODSERVE_REPOSITORY", "/there")
    monkeypatch.setenv("GOODSERVE_ACCESS_LOG", "true")

    settings = Settings()

    assert (settings.max_batch_size, settings.repository) == (128, "/there")
    assert settings.access_log


@pytest.mark.parametrize(
    ("given", "message"),
    [
        ({"port": 70000}, "less than or equal to 65535"),
        ({"device": "tpu"}, "'auto', 'cpu' or 'cuda'"),
        ({"read_timeout_s": 30}, "read_timeout_s 30 is not under shutdown_grace_s 30"),
        ({"max_request_bytes": 2**30}, "is over max_bytes_in_flight"),
        ({"anytime": 0.0}, "greater than 0"),
        (
            {"anytime": 0.9, "anytime_under_load": 0.95},
            "anytime_under_load 0.95 is over anytime 0.9; load must not",
        ),
        ({"max_waiting_images": 8}, "max_images_per_request 32 is over max_waiting_images 8"),
    ],
)
def test_bad_settings_are_refused(given: dict[str, object], message: str) -> None:
    """Out of range or at odds with each other."""
    with pytest.raises(ValidationError, match=message):
        Settings.model_validate(given)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["serve", "--port", "many"], "port: Input should be a valid integer"),
        (
            ["serve", "--max-waiting-images", "8"],
            "goodserve: settings: max_images_per_request 32 is over",
        ),
    ],
)
def test_a_bad_flag_is_one_line(
    capsys: pytest.CaptureFixture[str], arguments: list[str], message: str
) -> None:
    """Status 2 and what is wrong, without a traceback."""
    assert main(arguments) == 2

    printed = capsys.readouterr().err
    assert printed.startswith("goodserve: ")
    assert message in printed
