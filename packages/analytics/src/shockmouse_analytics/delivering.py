"""Where events go, and the parts that bring them there, made from it in the background: loading them takes a while."""

from pathlib import Path
from typing import TYPE_CHECKING

from msgspec import Struct

from .counts import Counts
from .event import Boot
from .queue import EventQueue
from .steps import Steps
from .temporary import temporary_folder

if TYPE_CHECKING:
    from .delivery import Delivery


class Delivering(Struct, frozen=True, kw_only=True):
    """Where events go, and the bounds on the way; units are in the names, config.py says what each is for."""

    endpoint: str
    write_key: str
    version: str
    flush_events: int
    flush_seconds: float
    batch_bytes: int
    queue_events: int
    queue_bytes: int
    retry_seconds: float
    offline_bytes: int
    offline_dir: Path | None
    queue_name: str


def make_delivery(to: Delivering, *, queue: EventQueue, counts: Counts, steps: Steps, boot: Boot) -> "Delivery":
    """Return the way from this queue to the server; nothing is opened yet."""
    from .current_store import CurrentStore
    from .delivery import CONNECTIONS, Delivery
    from .ledger import Ledger, Limits
    from .store_file import TURN_SECONDS
    from .store_folders import StoreFolders
    from .tombstones import Tombstones
    from .transport import Transport

    has_disk = to.offline_dir is not None
    store_bytes = to.offline_bytes if has_disk else to.queue_bytes
    limits = Limits(
        flush_events=to.flush_events,
        flush_seconds=to.flush_seconds,
        batch_bytes=min(to.batch_bytes, store_bytes // 8),  # the store lets go of whole batches
        queue_bytes=to.queue_bytes,
        retry_seconds=to.retry_seconds,
    )
    folders = StoreFolders(
        [to.offline_dir, temporary_folder()] if to.offline_dir else [],
        to.queue_name,
        owner=boot.id,
        max_bytes=store_bytes,
        complain=lambda folder, why: _cannot_use(counts, folder, why),
        lost=lambda events: _are_lost(counts, events),
        busy_seconds=TURN_SECONDS,
    )
    current = CurrentStore(folders=folders, counts=counts, has_disk=has_disk, memory_bytes=to.queue_bytes)
    tombstones = Tombstones(folders.paths)
    ledger = Ledger(steps=steps, boot=boot, counts=counts, limits=limits, current=current, tombstones=tombstones)
    transport = Transport(endpoint=to.endpoint, write_key=to.write_key, version=to.version, connections=CONNECTIONS)
    return Delivery(queue=queue, counts=counts, steps=steps, limits=limits, transport=transport, ledger=ledger)


def _cannot_use(counts: Counts, folder: Path, why: Exception) -> None:
    counts.warn(f"folder {folder}", f"events cannot be kept in {folder} ({why})")


def _are_lost(counts: Counts, events: int | None) -> None:
    if events is None:
        counts.warn("damaged store", "how many events were lost with the damaged offline store cannot be known")
    else:
        counts.drop("store_damaged", events, why="events of a damaged offline store cannot be read any more")
