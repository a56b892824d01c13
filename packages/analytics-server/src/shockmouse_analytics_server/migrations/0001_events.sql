-- 0001 events: one row per accepted event, as received and enriched.
-- Why this order: a question reads one project's range of time. One partition a month, because a block of the loader
-- stays within one partition, and because of the deletion of whole months.
-- path and title are dictionaries, too, though a site may have many: a question by path takes two thirds of the time.
-- Visitors and sessions are counted by hashes of 64 bits that are stored: to hash the texts takes longer than all else.
create table if not exists events{{local}} {{on_cluster}}
(
    project           LowCardinality(String),
    at                DateTime64(3, 'UTC'),
    event_id          UUID,
    batch_id          UUID,
    type              LowCardinality(String),
    name              LowCardinality(String),
    session_id        String,
    session_started   DateTime64(3, 'UTC'),
    device_id         String,
    user_id           String,
    privacy           LowCardinality(String),
    sample_rate       Float64,
    bot               LowCardinality(String),
    time_flag         LowCardinality(String),
    timestamp         String,
    sent_at           Nullable(DateTime64(3, 'UTC')),
    received_at       DateTime64(3, 'UTC'),
    url               String,
    host              LowCardinality(String),
    path              LowCardinality(String),
    title             LowCardinality(String),
    referrer          String,
    referrer_host     LowCardinality(String),
    utm_source        LowCardinality(String),
    utm_medium        LowCardinality(String),
    utm_campaign      LowCardinality(String),
    utm_term          LowCardinality(String),
    utm_content       LowCardinality(String),
    country           LowCardinality(String),
    browser           LowCardinality(String),
    browser_version   LowCardinality(String),
    os                LowCardinality(String),
    os_version        LowCardinality(String),
    device_type       LowCardinality(String),
    screen            LowCardinality(String),
    locale            LowCardinality(String),
    timezone          LowCardinality(String),
    app_name          LowCardinality(String),
    app_version       LowCardinality(String),
    library_name      LowCardinality(String),
    library_version   LowCardinality(String),
    user_agent        String,
    ip                String,
    boot_id           String,
    seq               UInt64,
    fingerprint_hash  String,
    fingerprint       Map(LowCardinality(String), String),
    user_properties   JSON(max_dynamic_paths = 64),
    properties        JSON(max_dynamic_paths = 256),
    context           String,
    retention         UInt16,
    rollup_retention  UInt16,
    device_hash       UInt64 materialized sipHash64(device_id),
    session_hash      UInt64 materialized sipHash64(toDate(session_started), device_id, session_id)
)
engine = {{MergeTree}}
partition by toYYYYMM(at) order by (project, at, event_id)
ttl toDateTime(at) + toIntervalDay(retention) where retention > 0
settings
    non_replicated_deduplication_window = 10000, replicated_deduplication_window = 10000,
    replicated_deduplication_window_seconds = 604800, fsync_after_insert = 1, fsync_part_directory = 1,
    min_rows_to_fsync_after_merge = 1;

{{distributed(events, cityHash64(device_id))}};
