"""The tables of the offline store.

batches   cut once: id (a UUIDv7: their order is that of cutting), who cut it, since when its outcome is unclear, when
          to try next, who is sending it; state `waiting`, or `rejected` with the server's reason
contents  the gzipped events of each batch: apart, as SQLite writes all of a row anew when its lease changes
groups    events that wait for their batch to be full, in the order of track(); they become a batch in one transaction,
          before that batch is sent, so that nobody can ever send them under two batch ids
Leases    whoever sends a batch or collects a group holds it for some seconds; when the time has passed others may take
          it. Two processes that send the same batch do no harm: its id is the same
Totals    one row, kept by triggers: with 10,000 batches on disk no question may read them all
"""

LEASE_SECONDS = 5.0
FAR_SECONDS = 10 * LEASE_SECONDS  # ahead: the clock was set back since
LATE_SECONDS = 600.0  # the same of the next attempt: no pause is so long
GROUP_LEASE_SECONDS = 1.0  # beyond the time after which a group becomes a batch
LONGEST_GROUP_SECONDS = 3600.0 + GROUP_LEASE_SECONDS  # flush_seconds of whoever has collected it, at most

SCHEMA = """
create table if not exists batches (
    number integer primary key, id text not null unique, origin text not null, events integer not null,
    unclear_since real, next_attempt real not null default 0,
    lease_owner text, lease_until real not null default 0,
    state text not null default 'waiting', reason text);
create table if not exists contents (number integer primary key, content blob not null);
create index if not exists due on batches (state, next_attempt, lease_until);
create index if not exists own on batches (origin, state);
create index if not exists unclear on batches (unclear_since) where unclear_since is not null;
create table if not exists groups (
    number integer primary key, owner text not null, lease_until real not null, events integer not null,
    content blob not null);
create table if not exists totals (row integer primary key, events integer not null);
insert or ignore into totals values (1, 0);
create trigger if not exists batch_added after insert on batches
    begin update totals set events = events + new.events; end;
create trigger if not exists batch_removed after delete on batches begin
    update totals set events = events - old.events;
    delete from contents where number = old.number;
end;
create trigger if not exists batch_changed after update of events on batches
    begin update totals set events = events - old.events + new.events; end;
create trigger if not exists group_added after insert on groups
    begin update totals set events = events + new.events; end;
create trigger if not exists group_removed after delete on groups
    begin update totals set events = events - old.events; end;
"""
