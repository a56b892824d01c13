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
    fsync_after_insert = 1, fsync_part_directory = 1;
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
    fsync_after_insert = 1, fsync_part_directory = 1;
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
    fsync_after_insert = 1, fsync_part_directory = 1;

create table if not exists tombstones {{on_cluster}}
(
    project      String,
    subject_hash String,
    until        DateTime64(3, 'UTC')
)
engine = {{EverywhereReplacing}}
order by (project, subject_hash)
ttl toDateTime(until)
settings
    fsync_after_insert = 1, fsync_part_directory = 1;

create table if not exists audit_log {{on_cluster}}
(
    at      DateTime64(3, 'UTC'),
    project String,
    action  LowCardinality(String),
    detail  String
)
engine = {{EverywhereMergeTree}}
order by (project, at)
ttl toDateTime(at) + toIntervalYear(3)
settings
    fsync_after_insert = 1, fsync_part_directory = 1;
