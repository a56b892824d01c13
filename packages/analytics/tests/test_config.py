"""Settings come from arguments, then the environment; what is wrong is named."""

from pathlib import Path

import pytest

from shockmouse_analytics import Analytics, ConfigError
from shockmouse_analytics.config import ClientConfig

KEY = {"write_key": "wk_shop_0123456789"}


def test_defaults_are_those_of_the_documentation():
    assert ClientConfig.load(KEY, {}) == ClientConfig(
        write_key="wk_shop_0123456789",
        endpoint="http://127.0.0.1:8000",
        privacy="balanced",
        sample_rate=1.0,
        flush_events=100,
        flush_seconds=5.0,
        batch_bytes=500_000,
        queue_events=100_000,
        queue_bytes=64 * 1024 * 1024,
        offline=True,
        offline_bytes=64 * 1024 * 1024,
        offline_dir="",
        retry_seconds=70 * 3600,
        session_minutes=30,
        fingerprint_names=False,
        redact="keys",
        before_consent="collect",
        vitals_seconds=0,
        debug=False,
        enabled=True,
    )


def test_an_argument_wins_over_the_environment():
    environ = {
        "SHOCKMOUSE_CLIENT_FLUSH_EVENTS": "10",
        "SHOCKMOUSE_CLIENT_FLUSH_SECONDS": "0.5",
        "SHOCKMOUSE_CLIENT_OFFLINE": "FALSE",
        "SHOCKMOUSE_CLIENT_DEBUG": "1",
        "SHOCKMOUSE_CLIENT_FINGERPRINT_NAMES": "True",
        "SHOCKMOUSE_CLIENT_SAMPLE_RATE": "0.25",
        "SHOCKMOUSE_PORT": "not the client's",
        "PATH": "nobody's",
    }
    config = ClientConfig.load({**KEY, "flush_events": 20, "offline_dir": Path("/state"), "privacy": None}, environ)
    assert config == ClientConfig(
        write_key="wk_shop_0123456789",
        flush_events=20,
        flush_seconds=0.5,
        offline=False,
        offline_dir=str(Path("/state")),
        debug=True,
        fingerprint_names=True,
        sample_rate=0.25,
    )


@pytest.mark.parametrize(
    ("arguments", "environ", "named"),
    [
        ({}, {}, "write_key"),
        ({"write_key": "two words"}, {}, "write_key"),
        (KEY, {"SHOCKMOUSE_CLIENT_FLUSH_EVNTS": "10"}, "SHOCKMOUSE_CLIENT_FLUSH_EVNTS"),
        (KEY, {"SHOCKMOUSE_CLIENT_FLUSH_EVENTS": "ten"}, "SHOCKMOUSE_CLIENT_FLUSH_EVENTS"),
        (KEY, {"SHOCKMOUSE_CLIENT_OFFLINE": "maybe"}, "SHOCKMOUSE_CLIENT_OFFLINE"),
        ({**KEY, "flush_events": 0}, {}, "flush_events"),
        ({**KEY, "flush_events": 1001}, {}, "flush_events"),
        ({**KEY, "flush_seconds": 0}, {}, "flush_seconds"),
        ({**KEY, "sample_rate": 0}, {}, "sample_rate"),
        ({**KEY, "sample_rate": 1.1}, {}, "sample_rate"),
        ({**KEY, "sample_rate": {"track": 0.5, "tarck": 0.5}}, {}, "tarck"),
        ({**KEY, "retry_seconds": 71 * 3600}, {}, "retry_seconds"),
        ({**KEY, "privacy": "none"}, {}, "privacy"),
        ({**KEY, "endpoint": "stats.example.com"}, {}, "endpoint"),
        ({**KEY, "endpoint": "file:///etc/passwd"}, {}, "endpoint"),
        ({**KEY, "endpoint": "http://"}, {}, "endpoint"),
        ({**KEY, "endpoint": "http://x.example:port"}, {}, "endpoint"),
        ({**KEY, "endpoint": "http://[::1"}, {}, "endpoint"),
        ({**KEY, "endpoint": "http:// x"}, {}, "endpoint"),
        ({**KEY, "endpoint": "http://x y"}, {}, "endpoint"),
        ({**KEY, "endpoint": "http://x/a b"}, {}, "endpoint"),
        ({**KEY, "endpoint": " http://x"}, {}, "endpoint"),
        ({**KEY, "endpoint": "http://x\u00a0y"}, {}, "endpoint"),
        (KEY, {"SHOCKMOUSE_CLIENT_ENDPOINT": "http://x\n"}, "endpoint"),
        ({**KEY, "endpoint": "http://x.example/?a=b"}, {}, "endpoint"),
    ],
)
def test_a_wrong_setting_is_an_error_that_names_it(arguments, environ, named):
    with pytest.raises(ConfigError, match=named):
        ClientConfig.load(arguments, environ)


@pytest.mark.parametrize(
    ("name", "value", "wanted"),
    [
        ("flush_seconds", 0, "more than 0"),
        ("flush_events", 0, "at least 1"),
        ("flush_events", 1001, "at most 1000"),
        ("flush_events", "ten", "a whole number"),
        ("queue_bytes", 1, "at least 100000"),
        ("sample_rate", {"track": 2.0}, "at most 1"),
        ("sample_rate", "often", "a number"),
        ("privacy", "none", "one of strict, balanced, full"),
        ("offline", "maybe", "true or false"),
        ("endpoint", 5, "a string"),
    ],
)
def test_a_value_out_of_bounds_is_told_in_words(name, value, wanted):
    with pytest.raises(ConfigError) as caught:
        ClientConfig.load({**KEY, name: value}, {})
    assert str(caught.value) == f"{name} {value!r}: must be {wanted}"


def test_a_key_that_is_none_is_told_in_words():
    with pytest.raises(ConfigError) as caught:
        ClientConfig.load({"write_key": "two words"}, {})
    assert str(caught.value) == "write_key: must be 1 to 200 ASCII characters without spaces"


@pytest.mark.parametrize(
    ("name", "meant"),
    [
        ("flush_secs", ": did you mean flush_seconds?"),
        ("before_sent", ": did you mean before_send?"),
        ("writekey", ": did you mean write_key?"),
        ("colour", ""),
    ],
)
def test_an_unknown_argument_is_an_error_that_names_the_one_meant(name, meant):
    with pytest.raises(ConfigError) as caught:
        Analytics(**KEY, **{name: 1})
    assert str(caught.value) == f"{name} is no setting of the client{meant}"


@pytest.mark.parametrize(
    ("name", "meant"), [("ENDPIONT", ": did you mean SHOCKMOUSE_CLIENT_ENDPOINT?"), ("COLOUR", "")]
)
def test_an_unknown_variable_is_an_error_that_names_the_one_meant(monkeypatch, name, meant):
    monkeypatch.setenv(f"SHOCKMOUSE_CLIENT_{name}", "https://stats.example.com")
    with pytest.raises(ConfigError) as caught:
        Analytics(**KEY)
    assert str(caught.value) == f"SHOCKMOUSE_CLIENT_{name} is no setting of the client{meant}"


def test_an_error_does_not_repeat_the_key():
    with pytest.raises(ConfigError) as caught:
        ClientConfig.load({"write_key": "wk_shop_secret with a space"}, {})
    assert "secret" not in str(caught.value)


@pytest.mark.parametrize("key", ["rk_shop_0123456789", "ak_shop_0123456789", "0123456789"])
@pytest.mark.parametrize("enabled", [True, False])
def test_only_a_write_key_is_taken(key, enabled):
    with pytest.raises(ConfigError) as caught:
        ClientConfig.load({"write_key": key, "enabled": enabled}, {})
    assert str(caught.value) == (
        "write_key should begin with wk_: another may read or change a project, keep it secret"
    )


def test_a_disabled_client_needs_no_key(tmp_path):
    with Analytics(enabled=False, offline_dir=tmp_path) as analytics:
        analytics.track("n")


@pytest.mark.parametrize(("key", "project"), [("wk_shop_0123", "shop"), ("anything", "anything"), ("a_b", "a_b")])
def test_the_project_is_the_middle_of_the_key(key, project):
    assert ClientConfig(write_key=key).project == project


@pytest.mark.parametrize("wrong", ["x", 5, {}])
def test_before_send_is_a_function(wrong):
    with pytest.raises(ConfigError, match=r"before_send is .*, but should be a function"):
        Analytics("wk_shop_0123456789", before_send=wrong)
