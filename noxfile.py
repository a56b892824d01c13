"""Every check and the demo: `./tools/nox` runs the checks, `./tools/nox -s demo` the whole system on real traffic.

Wheels are built once into dist/ and every test runs against them. One environment, .nox/engine, holds the embedded
engine (830 MB) and serves all sessions that need it; the other Pythons test what needs no engine.
"""

import hashlib
import os
import shutil
import subprocess
from ctypes.util import find_library
from pathlib import Path

import nox

nox.needs_version = ">=2026.4"
nox.options.default_venv_backend = "virtualenv"
nox.options.reuse_existing_virtualenvs = True
nox.options.sessions = ["lint", "types", "tests", "engine_tests", "together", "browser"]
os.environ.pop("PYTHONDONTWRITEBYTECODE", None)  # each of a test run's processes would compile every test anew

ROOT = Path(__file__).parent
PACKAGES = (ROOT / "packages" / "analytics", ROOT / "packages" / "analytics-server")
DIST = ROOT / "dist"
CHECKED = ("packages", "tests", "tools", "noxfile.py", "conftest.py")
RUNNER = ("pytest>=9", "pytest-timeout>=2.4", "pytest-xdist>=3.8")
TEST_LIBRARIES = (*RUNNER, "hypothesis>=6.150", "psutil>=6", "httpx>=0.28")
# A file shares its servers, conftest.py says which files begin. Most tests wait half of their time, Chromium does not.
SIDE_BY_SIDE = ("--dist", "loadfile", "--no-loadscope-reorder", "-n")
PROCESSES, PROCESSES_WITH_CHROMIUM = "4", "3"
TOOLKITS = ("click>=8.2", "typer>=0.20", "PySide6-Essentials>=6.9")  # on one Python only
WITHOUT_TOOLKITS = f"--ignore={PACKAGES[0] / 'tests' / 'toolkits'}"
FRAMEWORKS = ("django>=5.2", "fastapi>=0.135", "flask>=3.1", "gevent>=25", "gunicorn>=25")
WITH_ENGINE = (*TEST_LIBRARIES, *FRAMEWORKS, "playwright>=1.60", "schemathesis>=4.32")


def runs(minor: str) -> bool:
    """Tell whether pythonX.Y is here and starts; a pyenv shim of a version that is not active does not."""
    found = shutil.which(f"python{minor}")
    return found is not None and subprocess.run([found, "-c", ""], capture_output=True, check=False).returncode == 0


WANTED = nox.project.python_versions(nox.project.load_toml(PACKAGES[0] / "pyproject.toml"))
PYTHONS = [minor for minor in WANTED if runs(minor)]


def fingerprint(*paths: Path) -> str:
    """Return the SHA-256 of the files' names and contents, so that unchanged work is not done again."""
    digest = hashlib.sha256()
    for path in sorted(file for top in paths for file in top.rglob("*") if file.is_file()):
        if "__pycache__" not in path.parts:
            digest.update(str(path.relative_to(ROOT)).encode() + b"\0" + path.read_bytes() + b"\0")
    return digest.hexdigest()


def unchanged(marker: Path, state: str) -> bool:
    return marker.exists() and marker.read_text(encoding="utf-8") == state


def install_packages(session: nox.Session, *libraries: str, extra: str = "") -> None:
    """Install both wheels with `extra` of the server and the libraries, unless this environment has just these.

    aiochclient goes without its C extension, which reads none of the formats that we ask for: to compile it takes half
    a minute on each Python. That goes by a cache apart, for the sake of everybody else's.
    """
    state = (DIST / "built").read_text(encoding="utf-8") + repr((libraries, extra))
    marker = Path(session.virtualenv.location) / "installed"
    if unchanged(marker, state):
        return
    wheels = [str(wheel) for wheel in sorted(DIST.glob("*.whl"))]
    wanted = [wheel + extra if "analytics_server" in wheel else wheel for wheel in wheels]
    environ = {"CC": "false", "PIP_CACHE_DIR": str(Path(session.cache_dir, "pip").resolve())}
    if marker.exists():  # the version number stays while the code changes
        session.install("--force-reinstall", "--no-deps", *wheels)
    session.install(*wanted, *libraries, env=environ)
    marker.write_text(state, encoding="utf-8")


def install_parts(session: nox.Session, **packages: str) -> None:
    """Install the Debian packages of the commands that are missing, when we are root; tests say what else they skip."""
    missing = [package for command, package in packages.items() if shutil.which(command) is None]
    if missing and hasattr(os, "geteuid") and os.geteuid() == 0 and shutil.which("apt-get"):
        session.run("apt-get", "update", "-qq", external=True)
        session.run("apt-get", "install", "-y", "-qq", *missing, external=True, silent=True)


def run_with_engine(session: nox.Session, *arguments: str, libraries: tuple[str, ...] = ()) -> None:
    """Run Python with these arguments where the session `engine` has installed it; after Ctrl-C it may finish.

    The libraries are added to that environment once: the demo needs none of them.
    """
    home = Path(session.cache_dir).parent / "engine"
    python, marker = str(home / "bin" / "python"), home / "libraries"
    if libraries and not unchanged(marker, repr(libraries)):
        session.run(python, "-m", "pip", "install", *libraries, external=True, silent=True)
        marker.write_text(repr(libraries), encoding="utf-8")
    session.run(python, *arguments, *session.posargs, external=True, interrupt_timeout=30, terminate_timeout=10)


def sharing(chosen: str, processes: str = PROCESSES) -> list[tuple[str, ...]]:
    """Return pytest's options for the chosen tests that run beside each other, and for those that must not."""
    return [(*SIDE_BY_SIDE, processes, "-m", f"({chosen}) and not alone"), ("-m", f"({chosen}) and alone")]


def run_tests(session: nox.Session, chosen: str, folder: str, processes: str = PROCESSES) -> None:
    """Run the chosen tests of a folder in the engine's environment, then those that measure seconds."""
    for options in sharing(chosen, processes):
        run_with_engine(session, "-m", "pytest", *options, folder, libraries=WITH_ENGINE)


@nox.session
def lint(session: nox.Session) -> None:
    """ruff: style and format."""
    session.install("ruff>=0.17,<0.18")
    session.run("ruff", "check", *CHECKED)
    session.run("ruff", "format", "--check", *CHECKED)


@nox.session(requires=["build"])
def types(session: nox.Session) -> None:
    """mypy strict over both packages."""
    install_packages(session, "mypy>=2.4,<2.5", "nox")
    for package in PACKAGES:
        session.run("mypy", str(package / "src"))
    session.run("mypy", "noxfile.py", "tools/demo")


@nox.session
def build(session: nox.Session) -> None:
    """Wheel and sdist of both packages into dist/, when their sources have changed."""
    state = fingerprint(*PACKAGES)
    if unchanged(DIST / "built", state):
        return
    session.install("hatchling>=1.27")
    shutil.rmtree(DIST, ignore_errors=True)
    for package in PACKAGES:
        with session.chdir(package):
            session.run("hatchling", "build", "-d", str(DIST), silent=True)
    (DIST / "built").write_text(state, encoding="utf-8")


@nox.session(requires=["build"], python=PYTHONS)
def tests(session: nox.Session) -> None:
    """Both packages' own tests that need no engine, on every Python that is here; toolkits and crashes on one."""
    is_first = session.python == PYTHONS[0]
    for missing in sorted(set(WANTED) - set(PYTHONS)) if is_first else ():
        session.log(f"Python {missing} is not on this machine: its tests are left out")
    if is_first:
        install_parts(session, strace="strace", Xvfb="xvfb", openbox="openbox")
    if is_first and find_library("EGL") is None:
        install_parts(
            session, egl="libegl1", gl="libgl1", xkb="libxkbcommon0", dbus="libdbus-1-3", fonts="libfontconfig1"
        )
    install_packages(session, *TEST_LIBRARIES, *(TOOLKITS if is_first else ()), extra="[geo]")
    chosen = "not engine and not faults" + ("" if is_first else " and not crashes")
    ignored = () if is_first else (WITHOUT_TOOLKITS,)
    folders = [str(package / "tests") for package in PACKAGES]
    for options in sharing(chosen)[: 2 if is_first else 1]:
        session.run("pytest", *options, *ignored, *folders, *session.posargs)


@nox.session(requires=["build"])
def engine(session: nox.Session) -> None:
    """Prepare the environment with the embedded engine; the sessions below run in it."""
    install_packages(session, extra="[embedded,geo]")


@nox.session(requires=["engine"], venv_backend="none")
def engine_tests(session: nox.Session) -> None:
    """The server's tests that need the engine."""
    install_parts(session, strace="strace")
    run_tests(session, "engine and not faults", str(PACKAGES[1] / "tests"))


@nox.session(requires=["engine"], venv_backend="none")
def together(session: nox.Session) -> None:
    """Client and server as real processes: protocol, kills, outages, a reverse proxy."""
    install_parts(session, nginx="nginx", openssl="openssl")
    run_tests(session, "not faults and not browser", "tests")


@nox.session(requires=["engine"], venv_backend="none")
def browser(session: nox.Session) -> None:
    """The browser script in a real Chromium, with a real server."""
    install_parts(session, chromium="chromium", npm="npm")
    if shutil.which("chromium") is None:
        session.skip("Chromium is missing and only root may install it: apt-get install chromium")
    run_tests(session, "browser", "tests/browser", PROCESSES_WITH_CHROMIUM)


@nox.session(requires=["engine"], venv_backend="none")
def faults(session: nox.Session) -> None:
    """The long runs: 200 kills, a minute without the engine, ten minutes of odd requests, 2,000 sets of data."""
    chosen = ("-m", "faults", "-s", WITHOUT_TOOLKITS, "tests", "packages")
    run_with_engine(session, "-m", "pytest", *chosen, libraries=WITH_ENGINE)


@nox.session(requires=["engine"], venv_backend="none")
def bench(session: nox.Session) -> None:
    """Figures and ratios of one run, one JSON object a line."""
    run_with_engine(session, "-m", "tests.bench", libraries=WITH_ENGINE)


@nox.session(requires=["engine"], venv_backend="none")
def demo(session: nox.Session) -> None:
    """Server, web site and live traffic until Ctrl-C; `-- --seconds 20` ends it, `-- --port 9000` moves it."""
    run_with_engine(session, "tools/demo")
