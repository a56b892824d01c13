"""The values of keys that look like secrets are replaced before anything is sent; everything else stays."""

import json
from datetime import UTC, datetime
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from shockmouse_analytics.event import Event, encode
from shockmouse_analytics.fingerprint import Fingerprinter
from shockmouse_analytics.privacy import Consent, redact, redact_encoded
from shockmouse_analytics.steps import Steps

SECRET_KEYS = (
    "password", "PASSWORD", "new_password2", "passwordConfirmation", "dbPassword", "userpassword", "pass word",
    "passwd", "passphrase", "pwd", "secret", "clientSecret", "client-secret", "secrets", "token", "accessToken",
    "accesstoken", "refresh_token", "X-Auth-Token", "api_key", "apiKey", "APIKey", "apikey", "x-api-key", "private_key",
    "ssh key", "Authorization", "Cookie", "cookies", "set-cookie", "credentials", "card_number", "cardNumber",
    "credit_card", "cvc", "cvv", "iban", "ssn", "pin", "jwt", "account number", "security_code", "user.password",
    "tokens", "accessTokens", "accesstokens", "tokens_by_user", "api_keys", "APIKeys", "apikeys", "private_keys",
    "card_numbers", "pins", "ibans", "pwds", "passphrases", "passcodes", "jwts", "credit_cards", "security_codes",
    "card_no", "cardNo", "ccNumber", "cc_num", "ccnum", "account_nr", "pass", "dbPass", "user_pass", "otp", "otps",
    "pass_phrase", "passPhrase", "pass code", "secretkey", "clientsecretkey", "auth", "auth_key", "authkey", "userPINs",
    "bearer", "csrf", "csrfToken", "master_key",
)  # fmt: skip
OTHER_KEYS = (
    "passengers", "compass", "bypass", "passport_country", "secretary", "tokenizer", "pass_rate", "passed", "keyboard",
    "key", "keys", "cc", "card_note", "discard_no", "pinstripes", "laptop",
    "monkey", "shipping", "pinned", "author", "authors", "card", "discard", "name", "email", "session_id", "device_id",
    "event_id", "user_id", "sent_at", "fingerprint", "", "日本",
)  # fmt: skip


@pytest.mark.parametrize("key", SECRET_KEYS)
def test_text_under_a_secret_name_is_replaced(key: str) -> None:
    assert redact({key: "hunter2", "plan": "pro"}) == {key: "[redacted]", "plan": "pro"}


@pytest.mark.parametrize("key", OTHER_KEYS)
def test_other_keys_keep_their_values(key: str) -> None:
    assert redact({key: "value"}) == {key: "value"}


def test_a_number_is_a_secret_only_where_the_name_ends_in_one() -> None:
    given_ = {
        "pin": 1234,
        "card_number": 4111111111111111,
        "password": 12345678,
        "token_count": 5,
        "password_length": 9,
        "tokens": 512,
        "tokens_used": 7,
        "pins": 3,
        "pass": 12,
        "otp": 123456,
        "card_no": 4111111111111111,
    }
    assert redact(given_) == {
        "pin": "[redacted]",
        "card_number": "[redacted]",
        "password": "[redacted]",
        "token_count": 5,
        "password_length": 9,
        "tokens": 512,
        "tokens_used": 7,
        "pins": 3,
        "pass": 12,
        "otp": "[redacted]",
        "card_no": "[redacted]",
    }


def test_truth_values_and_nothing_tell_no_secret() -> None:
    assert redact({"password": None, "token": True}) == {"password": None, "token": True}


def test_secrets_are_found_at_any_depth_and_replaced_whole() -> None:
    given_ = {
        "steps": [{"login": {"user": "ann", "password": "x"}}, [{"cookies": {"a": "b"}}]],
        "credentials": ["a", "b"],
        "card_numbers": [4111111111111111],
        "access_tokens": {"ann": "x"},
    }
    assert redact(given_) == {
        "steps": [{"login": {"user": "ann", "password": "[redacted]"}}, [{"cookies": "[redacted]"}]],
        "credentials": "[redacted]",
        "card_numbers": "[redacted]",
        "access_tokens": "[redacted]",
    }


def test_encoded_events_are_redacted_the_same_way() -> None:
    event = {"event_id": "0190", "type": "track", "properties": {"apiKey": "k", "n": 1.5, "nested": [{"pwd": "p"}]}}
    assert json.loads(redact_encoded(json.dumps(event).encode())) == redact(event)


def test_encoded_events_without_secrets_come_back_byte_for_byte() -> None:
    encoded = b'{ "event_id": "0190", "properties": {"price": 1.50, "tokens_used": 7, "password_set": true} }'
    assert redact_encoded(encoded) is encoded


texts = st.text('a "\\\n/é🦔', max_size=6)
keys = st.sampled_from(SECRET_KEYS + OTHER_KEYS)
leaves = st.none() | st.booleans() | st.integers(-(2**53), 2**53) | st.floats(-1e9, 1e9) | texts
json_values = st.recursive(
    leaves, lambda inner: st.lists(inner, max_size=3) | st.dictionaries(keys | texts, inner, max_size=4)
)


@settings(deadline=None, suppress_health_check=[HealthCheck.too_slow])  # other tests may keep the processors busy
@given(st.dictionaries(keys, json_values, max_size=4))
def test_redacting_encoded_or_decoded_is_the_same_and_twice_is_once(value: dict[str, object]) -> None:
    once = redact(value)
    assert json.loads(redact_encoded(json.dumps(value).encode("utf-8"))) == once
    assert redact(once) == once


def make_steps(sample_rate: float | dict[str, float] = 1.0, *, asks: bool = False) -> Steps:
    return Steps(
        fingerprinter=Fingerprinter(privacy="strict", project="shop", state_dir=None),
        consent=Consent(project="shop", state_dir=None, environ={}),
        sample_rate=sample_rate,
        before_send=(lambda event: event) if asks else None,
        library={},
    )


def sent(steps: Steps, properties: dict[Any, object]) -> object:
    """Return the properties of an event after all steps."""
    at = datetime(2026, 1, 1, tzinfo=UTC)
    event = encode(Event(event_id="0190", type="page", timestamp=at, properties=properties))
    (finished,) = steps.finish([steps.mark(event, properties)]).events
    return json.loads(finished)["properties"]


@settings(deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(
    st.lists(st.dictionaries(keys | texts, leaves | json_values, max_size=4), min_size=1, max_size=4),
    st.sampled_from((1.0, {"track": 0.5})),
    st.booleans(),
)
def test_what_is_known_of_keys_already_changes_nothing(
    tracked: list[dict[str, object]], sample_rate: float | dict[str, float], asks: bool
) -> None:
    steps = make_steps(sample_rate, asks=asks)
    for properties in tracked * 2:  # of keys that are new, and of the same again
        assert sent(steps, properties) == redact(properties)


def test_keys_need_not_be_text() -> None:
    steps = make_steps()
    for _ in range(2):
        assert sent(steps, {7: "seven", "plan": "pro", "pin": "1234"}) == {
            "7": "seven",
            "plan": "pro",
            "pin": "[redacted]",
        }


def test_a_program_with_ever_new_keys_costs_no_memory() -> None:
    steps = make_steps()
    for number in range(3000):
        assert sent(steps, {f"key {number}": number, "pwd": number}) == {f"key {number}": number, "pwd": "[redacted]"}
    assert len(steps._harmless) == 1000
