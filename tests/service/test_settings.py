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


def test_the_help_says_who_may_ask_without_keys(capsys: pytest.CaptureFixture[str]) -> None:
    """Where no key is set all may; where there is a file or text without one, nobody."""
    assert main(["serve", "--help"]) == 0

    said = " ".join(capsys.readouterr().out.replace("│", " ").split())
    assert "where neither it nor api_keys is set, all may predict; where they hold no key" in said
    assert "without any key, all may" not in said


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
        ({"grpc_port": 8000}, "port and grpc_port are both 8000; each needs one of its own"),
        ({"admin_port": 8000, "keys_file": "k"}, "port and admin_port are both 8000"),
        (
            {"admin_port": 9, "grpc_port": 9, "keys_file": "k"},
            "grpc_port and admin_port are both 9",
        ),
        ({"host": "::", "admin_port": 8000, "keys_file": "k"}, "both 8000"),
        ({"host": ""}, "host\n.*it is empty; name one, or leave the setting out"),
        ({"host": " "}, "host\n.*it is empty"),
        ({"repository": ""}, "repository\n.*it is empty"),
        ({"keys_file": ""}, "keys_file\n.*it is empty"),
        ({"cors_origins": "https://a.example, https://b.example/"}, "'https://b.example/' is no"),
        ({"cors_origins": "shop.example"}, "'shop.example' is no origin such as https://"),
        ({"forwarded_allow_ips": "10.0.0.0/33"}, "'10.0.0.0/33' is no address or network"),
        ({"forwarded_allow_ips": "proxy"}, "'proxy' is no address or network"),
    ],
)
def test_bad_settings_are_refused(given: dict[str, object], message: str) -> None:
    """Out of range or at odds with each other."""
    with pytest.raises(ValidationError, match=message):
        Settings.model_validate(given)


def test_one_port_of_two_addresses_is_sound() -> None:
    """And a free port is another one for each."""
    inside = {"host": "10.0.0.1", "port": 9, "admin_host": "127.0.0.1", "admin_port": 9}
    free = {"port": 0, "admin_port": 0}

    lists = {"cors_origins": "https://a.example:8443, *", "forwarded_allow_ips": "::1, 10.0.0.0/8"}

    for given in (inside, free, {"admin_port": 1, **lists}):
        assert Settings.model_validate({**given, "keys_file": "k"}).admin_port is not None


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["serve", "--keys-file", ""], "keys_file: it is empty"),
        (["serve", "--host="], "host: it is empty"),
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
