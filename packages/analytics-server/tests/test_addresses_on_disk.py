"""What is on disk of visitors' addresses, in each of a project's modes: the data folder and the log are searched."""

import os
import uuid
from pathlib import Path

import pytest

from .worker import event, running_worker

# As the address is sent, and what is kept of it when it is shortened.
SENT = {
    "IPv4": ("203.0.113.77", "203.0.113.0"),
    "IPv6": ("2001:db8:1234:5678:9abc:def0:1122:3344", "2001:db8:1234::"),
    "mapped": ("::ffff:198.51.100.88", "198.51.100.0"),
}
FORMS = (
    b"203.0.113.77",
    b"198.51.100.88",
    b"2001:db8:1234:5678",
    b"2001:0db8:1234:5678",
    b"9abc:def0:1122:3344",
    b"c633:6458",  # 198.51.100.88 in hexadecimal
)
USER_AGENT = "Mozilla/5.0 (X11; Linux x86_64; rv:140.0) Gecko/20100101 Firefox/140.0"


def send_all(folder: Path, log: Path, ip: str) -> None:
    """Send each address by header and in the event's context, in each privacy mode; then what a server refuses."""
    saved = os.dup(2)
    with log.open("wb") as file:
        os.dup2(file.fileno(), 2)
        try:
            with running_worker(folder, ip=ip, log_level="debug") as worker:
                for address, _ in SENT.values():
                    for privacy in ("strict", "balanced", "full"):
                        sent = event(privacy=privacy)
                        assert worker.post(sent, X_Forwarded_For=address, User_Agent=USER_AGENT).status == 200
                        sent = event(
                            privacy=privacy, user_id=str(uuid.uuid4()), context={"ip": address.removeprefix("::ffff:")}
                        )
                        assert worker.post(sent).status == 200
                    assert worker.post(event(), Forwarded=f'for="[{address}]"').status == 200
                    assert worker.post(b"not json", X_Forwarded_For=address).status == 400
                    assert worker.post(event(), key="wk_site_unknown", X_Forwarded_For=address).status == 401
        finally:
            os.dup2(saved, 2)
            os.close(saved)


def files_with(folder: Path, text: bytes) -> list[Path]:
    return [path for path in sorted(folder.rglob("*")) if path.is_file() and text in path.read_bytes()]


@pytest.mark.parametrize("ip", ["truncate", "drop"])
def test_no_full_address_is_written_anywhere(tmp_path: Path, ip: str) -> None:
    data, log = tmp_path / "data", tmp_path / "log"
    data.mkdir()
    send_all(data, log, ip)
    assert {text: files_with(tmp_path, text) for text in FORMS} == {text: [] for text in FORMS}
    kept = {name: bool(files_with(data, short.encode())) for name, (_, short) in SENT.items()}
    assert kept == dict.fromkeys(SENT, ip == "truncate")


def test_an_address_that_the_project_keeps_is_in_its_events_and_in_no_log(tmp_path: Path) -> None:
    data, log = tmp_path / "data", tmp_path / "log"
    data.mkdir()
    send_all(data, log, "keep")
    for address in ("203.0.113.77", "198.51.100.88", "2001:db8:1234:5678:9abc:def0:1122:3344"):
        names = {path.name.partition("-")[0] for path in files_with(data, address.encode())}
        assert names == {"spool.sqlite"}
    assert [text for text in FORMS if text in log.read_bytes()] == []
