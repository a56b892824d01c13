"""Settings: flags before variables before defaults; whatever is wrong is named."""

import stat
from pathlib import Path

import pytest

from shockmouse_analytics_server import config
from shockmouse_analytics_server.errors import ConfigError


def test_the_defaults_are_those_of_the_documentation():
    settings = config.load({}, {"HOME": "/home/u"})
    assert (settings.host, settings.port, settings.workers) == ("127.0.0.1", 8000, 1)
    assert (settings.clickhouse_url, settings.clickhouse_database) == (None, "shockmouse")
    assert (settings.spool_max_bytes, settings.max_body_bytes, settings.max_inflated_bytes) == (
        10 << 30,
        1 << 20,
        5 << 20,
    )
    assert (settings.retention_days, settings.rollup_retention_days) == (395, 0)
    assert settings.trusted_proxies == ("127.0.0.1", "::1")
    assert (settings.agent_path, settings.events_path) == ("/agent.js", "/v1/events")


def test_a_flag_goes_before_a_variable():
    environ = {"SHOCKMOUSE_PORT": "9000", "SHOCKMOUSE_HOST": "::", "SHOCKMOUSE_TRUSTED_PROXIES": "10.0.0.0/8, ::1"}
    settings = config.load({"port": "9001", "host": None}, environ)
    assert (settings.host, settings.port, settings.trusted_proxies) == ("::", 9001, ("10.0.0.0/8", "::1"))


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("SHOCKMOUSE_PORT", "80a"),
        ("SHOCKMOUSE_PORT", "65536"),
        ("SHOCKMOUSE_PORT", ""),
        ("SHOCKMOUSE_WORKERS", "0"),
        ("SHOCKMOUSE_HOST", ""),
        ("SHOCKMOUSE_COLOUR", "red"),
        ("SHOCKMOUSE_port", "8000"),
        ("SHOCKMOUSE_CLICKHOUSE_URL", "clickhouse:8123"),
        ("SHOCKMOUSE_CLICKHOUSE_URL", "http://user:secret@db:8123"),
        ("SHOCKMOUSE_CLICKHOUSE_DATABASE", "a; drop table"),
        ("SHOCKMOUSE_TRUSTED_PROXIES", "10.0.0.0/8,localhost"),
        ("SHOCKMOUSE_IP_ANONYMIZATION", "hash"),
        ("SHOCKMOUSE_GEOIP_DATABASE", "/nowhere/at/all.mmdb"),
        ("SHOCKMOUSE_AGENT_PATH", "agent.js"),
        ("SHOCKMOUSE_EVENTS_PATH", "/api/v1/stats"),
        ("SHOCKMOUSE_EVENTS_PATH", "/a/../b"),
        ("SHOCKMOUSE_AGENT_PATH", "/session"),
        ("SHOCKMOUSE_EVENTS_PATH", "/data-health"),
        ("SHOCKMOUSE_LOG_FORMAT", "xml"),
        ("SHOCKMOUSE_RATE_LIMIT_EVENTS_PER_SECOND", "-1"),
        ("SHOCKMOUSE_DATA_DIR", ""),
    ],
)
def test_what_is_unknown_or_bad_is_named(name: str, value: str):
    with pytest.raises(ConfigError, match=f"^{name}"):
        config.load({}, {name: value})


def test_a_mistyped_variable_is_told_what_it_may_mean():
    with pytest.raises(ConfigError, match=r"did you mean SHOCKMOUSE_RETENTION_DAYS\?$"):
        config.load({}, {"SHOCKMOUSE_RETENTION_DAY": "30"})


def test_a_bad_flag_is_named_as_a_flag():
    with pytest.raises(ConfigError, match=r"^--max-body-bytes: "):
        config.load({"max_body_bytes": "1MB"}, {})


def test_the_variables_of_client_and_tests_are_left_alone():
    assert config.load({}, {"SHOCKMOUSE_CLIENT_ENDPOINT": "x", "SHOCKMOUSE_TEST_CLICKHOUSE_URL": "y"}) == config.load(
        {}, {}
    )


def test_an_empty_variable_unsets_what_may_be_unset():
    assert config.load({}, {"SHOCKMOUSE_CLICKHOUSE_URL": "", "SHOCKMOUSE_TRUSTED_PROXIES": ""}).trusted_proxies == ()


def test_child_processes_read_the_same_settings_from_their_environment(tmp_path: Path):
    flags = {"port": "0", "data_dir": str(tmp_path / "data"), "trusted_proxies": "", "clickhouse_url": "http://db:8123"}
    settings = config.load(flags, {"SHOCKMOUSE_CLICKHOUSE_PASSWORD": "pässword"})
    assert config.load({}, config.to_environ(settings)) == settings


def test_the_data_folder_is_for_its_owner_alone(tmp_path: Path):
    config.prepare_data_dir(tmp_path / "a" / "data")
    assert stat.S_IMODE((tmp_path / "a" / "data").stat().st_mode) == 0o700


def test_a_data_folder_that_cannot_be_made_is_explained(tmp_path: Path):
    (tmp_path / "file").write_text("")
    with pytest.raises(ConfigError, match="cannot be made"):
        config.prepare_data_dir(tmp_path / "file" / "data")
