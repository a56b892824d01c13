"""Who a subject is: the user ids that alias events join, and the devices that only this person has used.

user     every id that alias events join to it, in either direction; devices whose events name no other user are the
         person's own, with their events before somebody signed in. Of a device that several people share, only the
         events that name this person are
device   this device alone, whoever used it
"""

from collections.abc import Iterable

from .clickhouse import Database
from .erasure_journal import Subject
from .spool_search import Ids

# The other ends of alias events that name one of these users.
ALIASES = """
select distinct arrayJoin([user_id, previous]) as id from
(
    select user_id, toString(properties.previous_id) as previous from events
    where project = {project:String} and type = 'alias'
)
where (user_id in {users:Array(String)} or previous in {users:Array(String)}) and id != '' order by id
"""
OWN_DEVICES = """
select device_id as id from events
where project = {project:String} and device_id in
(
    select device_id from events where project = {project:String} and user_id in {users:Array(String)}
)
group by device_id having countIf(user_id != '' and user_id not in {users:Array(String)}) = 0 order by id
"""
# Whose events the subject's are; devices are asked for here, as they may be too many for a parameter.
EVENTS_OF = f"""
project = {{project:String}} and (user_id in {{users:Array(String)}}
or device_id = {{device:String}} and device_id != '' or device_id in ({OWN_DEVICES}))
"""


def params_of(subject: Subject, users: Iterable[str]) -> dict[str, object]:
    """Return the parameters of EVENTS_OF."""
    return {"project": subject.project, "users": sorted(users), "device": subject.device_id}


async def find_ids(database: Database, subject: Subject) -> Ids:
    """Return what ClickHouse knows to belong to the subject now, its own id first of all."""
    project = subject.project
    if not subject.user_id:
        return Ids(project, frozenset(), frozenset({subject.device_id}))
    users, found = frozenset[str](), frozenset({subject.user_id})
    while found != users:
        users = found
        rows = await database.fetch(ALIASES, params={"project": project, "users": sorted(users)})
        found |= {row["id"] for row in rows}
    rows = await database.fetch(OWN_DEVICES, params={"project": project, "users": sorted(users)})
    return Ids(project, users, frozenset(row["id"] for row in rows))
