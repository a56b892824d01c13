"""Values that look like secrets are replaced where the program asks for it, and ordinary ones are left alone."""

from collections.abc import Callable
from typing import Any

import pytest

from shockmouse_analytics import Analytics
from shockmouse_analytics.secret_values import redact_text, redact_values

JWT = "eyJhbGciOiJIUzI1NiJ9.eyJzdWIiOiIxMjM0NTY3ODkwIn0.dozjgNryP4J3jVmNHl0w5N_XgL0n3I9PlFUP0THsR8U"
SECRETS = (
    JWT, "ann.lee+shop@mail.example.com", "4111 1111 1111 1111", "5500-0000-0000-0004", "378282246310005",
    "AKIAIOSFODNN7EXAMPLE", "ghp_16C7e42F292c6912E7710c838347Ae178B4a", "sk_live_abcdefghijklmnop",
    "aB3dE5gH7jK9mN1pQ3sT5vW7",
)  # fmt: skip
HARMLESS = (
    "4111 1111 1111 1112", "1700000000000", "0190b1a2-7c3d-7e4f-8a5b-6c7d8e9f0a1b", "d41d8cd98f00b204e9800998ecf8427e",
    "a long sentence of many ordinary words, without any number", "HTTP_RESPONSE_STATUS_CODES_ALL", "@ann", "a@b", "",
    "https://example.com/pricing?utm_source=mail", "+49 30 1234567", "2026-11-23T21:42:08Z", "aaaaaaaaaaaaaaaaaaaaaaaa",
)  # fmt: skip


@pytest.mark.parametrize("secret", SECRETS)
def test_a_secret_is_replaced_and_the_text_around_it_stays(secret: str) -> None:
    assert [redact_text(secret), redact_text(f"it was {secret}, he said")] == [
        "[redacted]",
        "it was [redacted], he said",
    ]


@pytest.mark.parametrize("text", HARMLESS)
def test_other_texts_stay(text: str) -> None:
    assert redact_text(text) == text


def test_numbers_and_depths() -> None:
    given = {"card": [4111111111111111, 1700000000000, 12, 1.5, True, None], "deep": [{"to": "a@b.example"}]}
    assert redact_values(given) == {
        "card": ["[redacted]", 1700000000000, 12, 1.5, True, None],
        "deep": [{"to": "[redacted]"}],
    }


@pytest.mark.parametrize(
    ("redact", "sent"),
    [
        ("none", {"note": "to ann@example.com", "password": "x"}),
        ("keys", {"note": "to ann@example.com", "password": "[redacted]"}),
        ("values", {"note": "to [redacted]", "password": "[redacted]"}),
    ],
)
def test_the_setting_says_what_is_replaced(
    client: Callable[..., Analytics], server: Any, redact: str, sent: dict[str, str]
) -> None:
    analytics = client(redact=redact)
    for _ in range(2):  # the second time the keys are known
        analytics.track("Sent", {"note": "to ann@example.com", "password": "x"})
        assert analytics.flush()
    analytics.identify("ann@example.com")
    assert analytics.flush()
    assert [event.get("properties") for event in server.events] == [sent, sent, None]
    assert server.events[2]["user_id"] == "ann@example.com"
