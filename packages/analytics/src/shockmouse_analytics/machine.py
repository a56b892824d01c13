"""What the machine under this process says about itself; each reader returns None where nothing is known.

Readers may touch the disk or, on macOS, start a program of the system. They run in the background, never in track().
"""

import math
import os
import platform
import sys
from collections.abc import Mapping
from pathlib import Path

from msgspec import Struct

if sys.platform == "win32":
    import ctypes
    import locale
    import winreg
else:
    import pwd

_CI_NAMES = (
    "CI",
    "GITHUB_ACTIONS",
    "GITLAB_CI",
    "JENKINS_URL",
    "TEAMCITY_VERSION",
    "TF_BUILD",
    "BUILDKITE",
    "CODEBUILD_BUILD_ID",
)
_CONTAINER_WORDS = ("docker", "kubepods", "containerd", "libpod", "/lxc/")
_VIRTUAL_WORDS = (
    "virtual",
    "vmware",
    "kvm",
    "qemu",
    "xen",
    "amazon ec2",
    "google compute",
    "openstack",
    "droplet",
    "parallels",
)


class Machine(Struct, frozen=True):
    """Where the facts are read: the file system's root and the environment."""

    root: Path = Path("/")
    environ: Mapping[str, str] = os.environ

    def text(self, path: str) -> str:
        """Return a small file's text without blanks around it; empty when it cannot be read."""
        try:
            return (self.root / path).read_text("utf-8", "replace").strip()
        except OSError:
            return ""

    def has(self, path: str) -> bool:
        """Tell whether a file is there; one that may not be looked at is not."""
        try:
            return (self.root / path).exists()
        except OSError:
            return False


def is_ci(machine: Machine) -> bool:
    """True under a continuous integration system."""
    return any(machine.environ.get(name, "").lower() not in ("", "0", "false") for name in _CI_NAMES)


def is_container(machine: Machine) -> bool:
    """True inside Docker, Podman, Kubernetes, LXC and the like."""
    if machine.has(".dockerenv") or machine.has("run/.containerenv"):
        return True
    if machine.environ.get("container") or machine.environ.get("KUBERNETES_SERVICE_HOST"):
        return True
    return any(word in machine.text("proc/1/cgroup") for word in _CONTAINER_WORDS)


def is_notebook(machine: Machine) -> bool:
    """True in Jupyter and the services built on it."""
    return "ipykernel" in sys.modules or "COLAB_RELEASE_TAG" in machine.environ


def is_wsl(machine: Machine) -> bool:
    """True on Linux inside Windows."""
    return "microsoft" in machine.text("proc/sys/kernel/osrelease").lower()


def is_virtual(machine: Machine) -> bool:
    """True in a virtual machine, whose image and so whose machine id may have been cloned."""
    if sys.platform == "win32":
        bios = r"HARDWARE\DESCRIPTION\System\BIOS"
        product = f"{_registry(bios, 'SystemManufacturer')} {_registry(bios, 'SystemProductName')}"
    else:
        product = f"{machine.text('sys/class/dmi/id/sys_vendor')} {machine.text('sys/class/dmi/id/product_name')}"
        if " hypervisor" in machine.text("proc/cpuinfo"):
            return True
    return any(word in product.lower() for word in _VIRTUAL_WORDS)


def machine_id(machine: Machine) -> str | None:
    """Return the id that the operating system gave this installation. It must not leave the process as it is."""
    if sys.platform == "darwin":
        found = _between(_run("/usr/sbin/ioreg", "-rd1", "-c", "IOPlatformExpertDevice"), '"IOPlatformUUID" = "', '"')
    elif sys.platform == "win32":
        found = _registry(r"SOFTWARE\Microsoft\Cryptography", "MachineGuid")
    else:
        found = machine.text("etc/machine-id") or machine.text("var/lib/dbus/machine-id")
    # An image that is not booted yet says "uninitialized", one that was badly cloned only zeros.
    return found if len(found) >= 32 and found.strip("0-") else None


def os_version(machine: Machine) -> str | None:
    """Return the system's version as major.minor; on Linux the kernel's."""
    version = platform.mac_ver()[0] if sys.platform == "darwin" else platform.release()
    return ".".join(version.split("-")[0].split(".")[:2]) or None


def distribution(machine: Machine) -> str | None:
    """Return a Linux distribution with its version, such as "debian 12"."""
    pairs = (line.partition("=") for line in machine.text("etc/os-release").splitlines())
    release = {key: value.strip("\"'") for key, _, value in pairs}
    return f"{release.get('ID', '')} {release.get('VERSION_ID', '')}".strip() or None


def cpu_model(machine: Machine) -> str | None:
    """Return the processor's name as it calls itself."""
    if sys.platform == "darwin":
        name = _run("/usr/sbin/sysctl", "-n", "machdep.cpu.brand_string")
    elif sys.platform == "win32":
        name = _registry(r"HARDWARE\DESCRIPTION\System\CentralProcessor\0", "ProcessorNameString")
    else:
        name = _between(machine.text("proc/cpuinfo"), "model name\t: ", "\n")
    return name.strip() or None


def hostname(machine: Machine) -> str | None:
    """Return the host's name in small letters, without the domain: that is the network's, and may change with it."""
    return platform.node().partition(".")[0].lower() or None


def user_name(machine: Machine) -> str | None:
    """Return the name of the account that this process runs as; only where the system has none, the environment's."""
    if sys.platform == "win32":
        buffer, size = ctypes.create_unicode_buffer(257), ctypes.c_ulong(257)
        ctypes.windll.advapi32.GetUserNameW(buffer, ctypes.byref(size))
        name = buffer.value.lower()  # Windows takes large letters and small ones for the same
    else:
        account = _account()
        name = account.pw_name if account else machine.environ.get("LOGNAME") or machine.environ.get("USER", "")
    return name or None


def home_path(machine: Machine) -> str | None:
    """Return the path of the account's home folder, without links and as the system compares paths."""
    if sys.platform == "win32":
        path = machine.environ.get("USERPROFILE", "")
    else:
        account = _account()
        path = account.pw_dir if account else machine.environ.get("HOME", "")
    return os.path.normcase(os.path.realpath(path)) if path else None


def cpu_count(machine: Machine) -> int | None:
    """Return the number of processors, rounded up to a power of two."""
    count = os.cpu_count()
    return 1 << (count - 1).bit_length() if count else None


def memory_gib(machine: Machine) -> int | None:
    """Return the memory in GiB, rounded to a power of two, at least 1."""
    total = _memory_bytes()
    return 1 << max(0, round(math.log2(total / 2**30))) if total else None


def language(machine: Machine) -> str | None:
    """Return the language of the person's settings without the country, such as "en"."""
    if sys.platform == "win32":
        chosen = locale.windows_locale.get(ctypes.windll.kernel32.GetUserDefaultUILanguage(), "")
    else:
        names = ("LC_ALL", "LC_MESSAGES", "LANG")
        chosen = next((machine.environ[name] for name in names if machine.environ.get(name)), "")
    first = chosen.replace("-", "_").split("_")[0].split(".")[0].lower()
    return first if first.isalpha() and first not in ("c", "posix") else None


def timezone(machine: Machine) -> str | None:
    """Return the IANA name of the time zone, such as "Europe/Paris"; Windows does not know it."""
    name = machine.environ.get("TZ", "").lstrip(":") or machine.text("etc/timezone")
    try:
        name = name or (machine.root / "etc/localtime").readlink().as_posix()
    except OSError:
        return None
    name = name.rpartition("zoneinfo/")[2]
    return name if "/" in name.strip("/") or name == "UTC" else None


if sys.platform != "win32":

    def _account() -> pwd.struct_passwd | None:
        """Return what the system knows of this process's account; a container may run as a number that it does not."""
        try:
            return pwd.getpwuid(os.getuid())
        except KeyError:
            return None


def _memory_bytes() -> int:
    if sys.platform == "win32":
        kilobytes = ctypes.c_ulonglong()
        ctypes.windll.kernel32.GetPhysicallyInstalledSystemMemory(ctypes.byref(kilobytes))
        total = kilobytes.value * 1024
    else:
        total = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")
    return total


def _registry(key: str, name: str) -> str:
    """Return a text of Windows' registry; empty when it is not there."""
    found = ""
    if sys.platform == "win32":
        try:
            with winreg.OpenKey(winreg.HKEY_LOCAL_MACHINE, key, 0, winreg.KEY_READ | winreg.KEY_WOW64_64KEY) as opened:
                found = str(winreg.QueryValueEx(opened, name)[0])
        except OSError:
            pass
    return found


def _run(*command: str) -> str:
    """Return what a program of the system prints; empty when it fails. No shell."""
    import subprocess  # takes milliseconds, and only macOS needs it

    try:
        return subprocess.run(command, capture_output=True, text=True, timeout=2, check=True).stdout
    except (OSError, subprocess.SubprocessError):
        return ""


def _between(text: str, before: str, after: str) -> str:
    return text.partition(before)[2].partition(after)[0].strip()
