"""Each privacy mode tells what its table allows and no more, and makes and keeps the device id as it promises."""

import getpass
import hashlib
import hmac
import os
import platform
import pwd
import re
import socket
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import msgspec
import pytest

from shockmouse_analytics.event import Privacy
from shockmouse_analytics.fingerprint import SIGNALS, Fingerprint, Fingerprinter
from shockmouse_analytics.machine import Machine

MODES: tuple[Privacy, ...] = ("strict", "balanced", "full")
MACHINE_ID = "0123456789abcdef0123456789abcdef"
ID = re.compile(r"[0-9a-f]{32}")


@pytest.fixture
def laptop(tmp_path: Path) -> Machine:
    """The files of a Linux machine that stands on a desk: no container, no virtual machine, no CI."""
    files = {
        "etc/machine-id": f"{MACHINE_ID}\n",
        "etc/os-release": 'NAME="Debian GNU/Linux"\nID=debian\nVERSION_ID="12"\n',
        "etc/timezone": "Europe/Paris\n",
        "proc/cpuinfo": "processor\t: 0\nmodel name\t: Imaginary CPU 3000\nflags\t\t: fpu vme\n",
        "proc/1/cgroup": "0::/init.scope\n",
        "proc/sys/kernel/osrelease": "6.1.0-28-amd64\n",
        "sys/class/dmi/id/sys_vendor": "LENOVO\n",
    }
    for name, content in files.items():
        (tmp_path / "root" / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / "root" / name).write_text(content)
    return Machine(tmp_path / "root", {"LANG": "en_GB.UTF-8", "USER": "ann", "HOME": "/users/ann"})


def told(
    privacy: Privacy,
    machine: Machine,
    state_dir: Path | None,
    project: str = "shop",
    *,
    names: bool = False,
    forget: bool = False,
) -> Fingerprint:
    """Return what a new process would tell."""
    fingerprinter = Fingerprinter(privacy=privacy, project=project, state_dir=state_dir, names=names, machine=machine)
    if forget:
        fingerprinter.forget()
    return fingerprinter.fingerprint()


@pytest.fixture
def unwritable(tmp_path: Path) -> Iterator[Path]:
    """A folder that this process may look at but not write to."""
    folder = tmp_path / "home"
    folder.mkdir()
    folder.chmod(0o555)
    is_root = hasattr(os, "geteuid") and os.geteuid() == 0
    if is_root:
        os.seteuid(65534)  # to root no folder is closed
    yield folder
    if is_root:
        os.seteuid(0)


@pytest.mark.parametrize("mode", MODES)
def test_a_mode_tells_all_its_signals_and_no_others(laptop: Machine, tmp_path: Path, mode: Privacy) -> None:
    allowed = {name for known in MODES[: MODES.index(mode) + 1] for name in SENT[known]}
    assert set(told(mode, laptop, tmp_path / "state").signals) == allowed
    asked = set(told(mode, laptop, tmp_path / "state", names=True).signals)
    assert asked == (allowed | HASHED if mode == "full" else allowed)


HASHED = {"hostname", "user_name", "home_path"}  # told in full mode where that is asked for
ELSEWHERE = {"screen", "display"}  # told in the context of a toolkit's windows
SENT: dict[Privacy, set[str]] = {
    "strict": {
        "os", "arch", "python", "implementation", "utc_offset_hours", "is_ci", "is_container", "is_notebook", "is_wsl",
    },
    "balanced": {"os_version", "distribution", "cpu_count", "memory_gib", "language", "timezone"},
    "full": {"os_release", "cpu_model"},
}  # fmt: skip


def test_the_table_is_complete_and_gives_a_reason_for_each_signal() -> None:
    listed = {mode: {s.name for s in SIGNALS if s.mode == mode and s.read and not s.is_hashed} for mode in MODES}
    assert listed == SENT
    assert {(signal.name, signal.mode) for signal in SIGNALS if signal.is_hashed} == {(name, "full") for name in HASHED}
    assert [
        signal.name
        for signal in SIGNALS
        if not signal.why or (signal.mode == "never") != (signal.read is None and signal.name not in ELSEWHERE)
    ] == []
    assert len({signal.name for signal in SIGNALS}) == len(SIGNALS)


def test_the_values_are_as_coarse_as_the_table_says(laptop: Machine, tmp_path: Path) -> None:
    signals = told("full", laptop, tmp_path / "state").signals
    chosen = ("python", "distribution", "language", "timezone", "cpu_model", "is_container", "is_ci", "is_wsl")
    assert {name: signals[name] for name in chosen} == {
        "python": f"{sys.version_info[0]}.{sys.version_info[1]}",
        "distribution": "debian 12",
        "language": "en",
        "timezone": "Europe/Paris",
        "cpu_model": "Imaginary CPU 3000",
        "is_container": False,
        "is_ci": False,
        "is_wsl": False,
    }
    powers = {1 << exponent for exponent in range(20)}
    assert {signals["cpu_count"], signals["memory_gib"]} <= powers


@pytest.mark.parametrize("mode", MODES)
def test_nothing_personal_is_told_in_any_mode(laptop: Machine, tmp_path: Path, mode: Privacy) -> None:
    encoded = msgspec.json.encode(told(mode, laptop, tmp_path / "state", names=True)).decode()
    personal = [MACHINE_ID, "/users/ann", '"ann"', str(tmp_path), str(Path.home()), str(Path.cwd()), sys.executable]
    account = pwd.getpwuid(os.getuid())
    personal += [socket.gethostname(), f'"{getpass.getuser()}"', f'"{account.pw_name}"', account.pw_dir]
    assert [word for word in personal if word in encoded] == []


def test_strict_stores_nothing_and_has_an_id_per_process(laptop: Machine, tmp_path: Path) -> None:
    first, second = told("strict", laptop, tmp_path / "state"), told("strict", laptop, tmp_path / "state")
    assert first.device_id != second.device_id
    assert (first.hash, first.confidence) == (second.hash, 0.0)
    assert not (tmp_path / "state").exists()


def test_balanced_keeps_a_random_id_for_each_project(laptop: Machine, tmp_path: Path) -> None:
    state = tmp_path / "state"
    ids = [told("balanced", laptop, state, project).device_id for project in ("shop", "shop", "blog", "shop")]
    assert [ids[0] == other for other in ids] == [True, True, False, True]
    assert told("balanced", laptop, tmp_path / "other").device_id not in ids


def test_forgetting_gives_a_new_id_that_is_kept_again(laptop: Machine, tmp_path: Path) -> None:
    before = told("balanced", laptop, tmp_path)
    after = told("balanced", laptop, tmp_path, forget=True)
    assert after.device_id != before.device_id
    assert told("balanced", laptop, tmp_path) == after


def test_an_open_fingerprinter_forgets_too(laptop: Machine, tmp_path: Path) -> None:
    for privacy in MODES[:2]:
        fingerprinter = Fingerprinter(privacy=privacy, project="shop", state_dir=tmp_path, machine=laptop)
        before = fingerprinter.fingerprint()
        assert fingerprinter.fingerprint() == before
        fingerprinter.forget()
        assert fingerprinter.fingerprint().device_id != before.device_id


def test_full_is_a_keyed_hash_that_differs_by_project(laptop: Machine, tmp_path: Path) -> None:
    shop, again, blog = (told("full", laptop, tmp_path / "state", project) for project in ("shop", "shop", "blog"))
    expected = hmac.new(MACHINE_ID.encode(), b"shockmouse\0shop\x001", hashlib.sha256).hexdigest()[:32]
    assert [shop.device_id, again.device_id] == [expected] * 2
    assert blog.device_id not in (expected, MACHINE_ID)
    assert shop.components == {"machine_id": "HMAC-SHA256, keyed by the machine's id"}
    assert not (tmp_path / "state").exists()


def hashed(name: str, value: bytes, key: str = MACHINE_ID, project: str = "shop") -> str:
    text = f"shockmouse\0{project}\x001\0{name}\0".encode() + value
    return hmac.new(key.encode(), text, "sha256").hexdigest()[:32]


def hashed_names(key: str = MACHINE_ID, project: str = "shop") -> dict[str, str]:
    """Return what is to be told of the names of this host, this account and its home folder."""
    account = pwd.getpwuid(os.getuid())
    names = {
        "hostname": socket.gethostname().partition(".")[0].lower(),
        "user_name": account.pw_name,
        "home_path": os.path.realpath(account.pw_dir),
    }
    return {name: hashed(name, value.encode(), key, project) for name, value in names.items()}


def told_names(known: Fingerprint) -> dict[str, object]:
    return {name: value for name, value in known.signals.items() if name in HASHED}


def test_names_are_hashes_keyed_by_the_machines_id_and_differ_by_project(laptop: Machine, tmp_path: Path) -> None:
    shop, blog = (told_names(told("full", laptop, tmp_path / "state", name, names=True)) for name in ("shop", "blog"))
    assert (shop, blog) == (hashed_names(), hashed_names(project="blog"))
    assert len({*shop.values(), *blog.values()}) == 2 * len(HASHED)
    assert not (tmp_path / "state").exists()


def test_where_images_are_cloned_the_key_of_names_is_random_and_never_sent(laptop: Machine, tmp_path: Path) -> None:
    (laptop.root / ".dockerenv").touch()
    state = tmp_path / "state"
    first, again = (told("full", laptop, state, names=True) for _ in range(2))
    (stored,) = state.glob("hash-key-*")
    key = stored.read_text()
    assert told_names(first) == told_names(again) == hashed_names(key)
    assert key not in msgspec.json.encode(first).decode()
    assert stored.stat().st_mode & 0o777 == 0o600 or os.name == "nt"
    new = told("full", laptop, state, names=True, forget=True)
    assert set(told_names(new).values()).isdisjoint(told_names(first).values())


def test_without_a_key_that_stays_here_no_name_is_told(laptop: Machine, unwritable: Path) -> None:
    in_ci = Machine(laptop.root, {**laptop.environ, "CI": "1"})
    for state_dir in (unwritable / "state", None):
        assert told_names(told("full", in_ci, state_dir, names=True)) == {}


UNKNOWN = """
import os, sys
from pathlib import Path
from shockmouse_analytics.fingerprint import Fingerprinter
from shockmouse_analytics.machine import Machine
os.setresuid(54321, 0, 0)  # what a file allows goes by the second number
machine = Machine(Path(sys.argv[1]))
known = Fingerprinter(privacy="full", project="shop", state_dir=None, names=True, machine=machine).fingerprint()
print(known.signals.get("user_name"), known.signals.get("home_path"))
"""


@pytest.mark.skipif(not hasattr(os, "geteuid") or os.geteuid() != 0, reason="only root may be another account")
@pytest.mark.parametrize(
    ("environ", "names"),
    [
        ({"LOGNAME": b"ann", "HOME": b"/homes/link/"}, (b"ann", b"/homes/ann")),
        ({"USER": b"ann", "HOME": b"/homes/\xe9"}, (b"ann", b"/homes/\xed\xb3\xa9")),  # no UTF-8: half a pair
        ({}, ()),
    ],
)
def test_an_account_that_the_system_does_not_know_has_the_names_of_its_environment(
    laptop: Machine, tmp_path: Path, environ: dict[str, bytes], names: tuple[bytes, ...]
) -> None:
    homes = str(tmp_path / "homes").encode()
    (tmp_path / "homes" / "ann").mkdir(parents=True)
    (tmp_path / "homes" / "link").symlink_to("ann")
    kept = {name: os.environb[name] for name in (b"PATH", b"PYTHONPATH") if name in os.environb}  # no CI among it
    given = {name.encode(): value.replace(b"/homes", homes) for name, value in environ.items()}
    command = [sys.executable, "-c", UNKNOWN, str(laptop.root)]
    output = subprocess.run(command, env={**kept, **given}, capture_output=True, text=True, check=True).stdout
    given_names = zip(("user_name", "home_path"), names, strict=False)
    expected = [hashed(name, value.replace(b"/homes", homes)) for name, value in given_names]
    assert output.split() == (expected or ["None", "None"])


COPIES = {
    "container": {"file": ".dockerenv"},
    "podman": {"file": "run/.containerenv"},
    "kubernetes": {"environ": "KUBERNETES_SERVICE_HOST"},
    "ci": {"environ": "CI"},
    "cgroup": {"file": "proc/1/cgroup", "content": "0::/docker/0123"},
    "cloud": {"file": "sys/class/dmi/id/sys_vendor", "content": "Amazon EC2"},
    "virtual": {"file": "proc/cpuinfo", "content": "flags\t\t: fpu hypervisor"},
    "image": {"file": "etc/machine-id", "content": "uninitialized"},
    "zeros": {"file": "etc/machine-id", "content": "0" * 32},
}


@pytest.mark.parametrize("sign", COPIES)
def test_full_falls_back_to_the_install_id_where_images_are_cloned(laptop: Machine, tmp_path: Path, sign: str) -> None:
    copy = COPIES[sign]
    if "file" in copy:
        (laptop.root / copy["file"]).parent.mkdir(parents=True, exist_ok=True)
        (laptop.root / copy["file"]).write_text(copy.get("content", ""))
    environ = {**laptop.environ, copy["environ"]: "1"} if "environ" in copy else laptop.environ
    full = told("full", Machine(laptop.root, environ), tmp_path / "state")
    assert full.device_id == told("balanced", laptop, tmp_path / "state").device_id
    assert [set(full.components), full.confidence] == [{"install_id"}, 0.5]


def test_the_install_id_is_for_its_owner_only(laptop: Machine, tmp_path: Path) -> None:
    device_id = told("balanced", laptop, tmp_path / "state").device_id
    files = list((tmp_path / "state").iterdir())
    assert [path.read_text() for path in files] == [device_id]
    modes = {path.stat().st_mode & 0o777 for path in (*files, tmp_path / "state")}
    assert modes == ({0o600, 0o700} if os.name != "nt" else modes)


@pytest.mark.parametrize("content", ["", "not an id", "0" * 31, "G" * 32, "\0" * 32, "0" * 33])
def test_a_damaged_install_id_is_replaced(laptop: Machine, tmp_path: Path, content: str) -> None:
    told("balanced", laptop, tmp_path / "state")
    (stored,) = (tmp_path / "state").iterdir()
    stored.write_text(content)
    device_id = told("balanced", laptop, tmp_path / "state").device_id
    assert ID.fullmatch(device_id)
    assert [path.read_text() for path in (tmp_path / "state").iterdir()] == [device_id]


def test_processes_that_start_at_once_agree(tmp_path: Path) -> None:
    program = (
        "import sys; from pathlib import Path; from shockmouse_analytics.fingerprint import Fingerprinter\n"
        "device = Fingerprinter(privacy='balanced', project='shop', state_dir=Path(sys.argv[1]))\n"
        "print('ready', flush=True); sys.stdin.readline(); print(device.fingerprint().device_id)"
    )
    command = [sys.executable, "-c", program, str(tmp_path / "state")]
    pipes = {"stdin": subprocess.PIPE, "stdout": subprocess.PIPE}
    processes = [subprocess.Popen(command, text=True, **pipes) for _ in range(6)]  # type: ignore[call-overload]
    assert [process.stdout.readline() for process in processes] == ["ready\n"] * 6
    for process in processes:
        process.stdin.write("go\n")
        process.stdin.flush()
    ids = {process.communicate(timeout=30)[0] for process in processes}
    assert {f"{path.read_text()}\n" for path in (tmp_path / "state").iterdir()} == ids


@pytest.mark.parametrize("mode", ["balanced", "full"])
def test_a_closed_home_gives_an_id_for_the_process(unwritable: Path, mode: Privacy) -> None:
    for state_dir in (unwritable / "state", None):
        device = Fingerprinter(privacy=mode, project="shop", state_dir=state_dir, machine=Machine(unwritable / "root"))
        assert set(device.fingerprint().components) == {"process_id"}
        assert device.fingerprint().device_id == device.fingerprint().device_id
        device.forget()


def test_a_machine_that_says_nothing_still_has_a_fingerprint(tmp_path: Path) -> None:
    nothing = told("full", Machine(tmp_path / "missing", {}), tmp_path / "state")
    assert set(nothing.components) == {"install_id"}
    assert set(nothing.signals) >= SENT["strict"]
    assert set(nothing.signals).isdisjoint({"distribution", "language", "timezone", "cpu_model"})


def test_the_hash_follows_the_signals_and_the_project(laptop: Machine, tmp_path: Path) -> None:
    french = Machine(laptop.root, {"LANG": "fr_FR.UTF-8"})
    hashes = [
        told("balanced", laptop, tmp_path).hash,
        told("balanced", laptop, tmp_path).hash,
        told("balanced", french, tmp_path).hash,
        told("balanced", laptop, tmp_path, "blog").hash,
        told("full", laptop, tmp_path).hash,
    ]
    assert [hashes.index(one) for one in hashes] == [0, 0, 2, 3, 4]
    assert [one for one in hashes if not ID.fullmatch(one)] == []


@pytest.mark.parametrize(
    ("environ", "language"),
    [
        ({"LANG": "C.UTF-8"}, None),
        ({"LANG": "POSIX"}, None),
        ({"LC_ALL": "de_AT", "LANG": "en_US"}, "de"),
        ({"LANG": "pt-BR"}, "pt"),
        ({"LANG": "../../etc"}, None),
    ],
)
def test_only_the_language_of_the_locale_is_told(
    laptop: Machine, environ: dict[str, str], language: str | None
) -> None:
    assert told("balanced", Machine(laptop.root, environ), None).signals.get("language") == language


@pytest.mark.parametrize(
    ("environ", "timezone"),
    [
        ({}, "Europe/Paris"),
        ({"TZ": ":America/New_York"}, "America/New_York"),
        ({"TZ": "UTC"}, "UTC"),
        ({"TZ": "CET-1"}, None),
    ],
)
def test_the_time_zone_is_an_iana_name(laptop: Machine, environ: dict[str, str], timezone: str | None) -> None:
    assert told("balanced", Machine(laptop.root, environ), None).signals.get("timezone") == timezone


def test_the_time_zone_is_read_from_the_link_where_there_is_no_name(laptop: Machine) -> None:
    (laptop.root / "etc/timezone").unlink()
    (laptop.root / "etc/localtime").symlink_to("/usr/share/zoneinfo/Asia/Kolkata")
    assert told("balanced", laptop, None).signals["timezone"] == "Asia/Kolkata"


def test_this_machine_tells_its_own_system() -> None:
    signals = Fingerprinter(privacy="full", project="shop", state_dir=None).fingerprint().signals
    assert (signals["os"], signals["arch"], signals["os_release"]) == (
        platform.system(),
        platform.machine(),
        platform.release(),
    )
