-- 0005 projects: what nodes share beside events: projects, keys, secrets, tombstones of erasure and the audit log.
-- Why here: every node mirrors these rows and works from its mirror. On a cluster each shard has them all.
create table if not exists projects {{on_cluster}}
(
    project               String,
    created_at            DateTime64(3, 'UTC'),
    deleted               UInt8,
    retention_days        UInt16, -- 0 = for ever
    rollup_retention_days UInt16,
    ip                    LowCardinality(String),
    timezone              String,
    version               UInt64
)
engine = {{EverywhereReplacing(version)}}
order by project
settings
    fsync_after_insert = 1, fsync_part_directory = 1,
    min_rows_to_fsync_after_merge = 1;
-- no TTL: a project lives until it is deleted

create table if not exists keys {{on_cluster}}
(
    project    String,
    kind       LowCardinality(String), -- write, read, admin
    prefix     String,
    hash       String,
    token      String, -- write keys only: they are public by nature
    created_at DateTime64(3, 'UTC'),
    revoked_at Nullable(DateTime64(3, 'UTC')),
    version    UInt64
)
engine = {{EverywhereReplacing(version)}}
order by (project, kind, prefix)
settings
    fsync_after_insert = 1, fsync_part_directory = 1,
    min_rows_to_fsync_after_merge = 1;
-- no TTL: a revoked key stays known as revoked

create table if not exists secrets {{on_cluster}}
(
    name       String,
    value      String,
    created_at DateTime64(3, 'UTC'),
    version    UInt64
)
engine = {{EverywhereReplacing(version)}}
order by name
ttl toDateTime(created_at) + toIntervalDay(4) where startsWith(name, 'salt:') -- the second net: salts are deleted sooner
settings
    fsync_after_insert = 1, fsync_part_directory = 1,
    min_rows_to_fsync_after_merge = 1;

create table if not exists tombstones {{on_cluster}}
(
    project      String,
    subject_hash String, -- keyed: nobody can tell whom it is of
    at           DateTime64(3, 'UTC'), -- what the subject did until then is dropped
    until        DateTime64(3, 'UTC')
)
engine = {{EverywhereReplacing(at)}}
order by (project, subject_hash)
ttl toDateTime(until)
settings
    fsync_after_insert = 1, fsync_part_directory = 1,
    min_rows_to_fsync_after_merge = 1;

create table if not exists audit_log {{on_cluster}}
(
    at      DateTime64(3, 'UTC'),
    project String,
    who     String, -- the prefix of the key that asked, or command
    action  LowCardinality(String),
    detail  String
)
engine = {{EverywhereMergeTree}}
order by (project, at)
ttl toDateTime(at) + toIntervalYear(3)
settings
    fsync_after_insert = 1, fsync_part_directory = 1,
    min_rows_to_fsync_after_merge = 1;

-- The events of an erasure under way: what is taken from the counts and what is deleted are the same rows, whatever
-- arrives meanwhile. One partition an erasure, dropped at its end.
create table if not exists erasure_rows {{on_cluster}}
(
    erasure    String,
    at         DateTime64(3, 'UTC'),
    batch_id   UUID,
    event_id   UUID,
    device_id  String,
    session_id String,
    staged_at  DateTime64(3, 'UTC')
)
engine = {{EverywhereMergeTree}}
partition by erasure order by (erasure, at, batch_id, event_id)
ttl toDateTime(staged_at) + toIntervalDay(30)
settings
    fsync_after_insert = 1, fsync_part_directory = 1,
    min_rows_to_fsync_after_merge = 1;
