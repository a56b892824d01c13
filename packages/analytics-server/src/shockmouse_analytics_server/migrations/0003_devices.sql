-- 0003 devices: one row per device and project, bots apart.
-- Why: the list of devices and their fingerprints must not scan events. The row lives as long as the device is seen.
create table if not exists devices{{local}} {{on_cluster}}
(
    project     LowCardinality(String),
    device_id   String,
    is_bot      UInt8,
    first_seen  SimpleAggregateFunction(min, DateTime64(3, 'UTC')),
    last_seen   SimpleAggregateFunction(max, DateTime64(3, 'UTC')),
    weight      SimpleAggregateFunction(min, Float64),
    events      SimpleAggregateFunction(sum, UInt64),
    page_views  SimpleAggregateFunction(sum, UInt64),
    agent       AggregateFunction(argMax, Tuple(country String, browser String, browser_version String, os String, os_version String, device_type String, screen String, locale String, timezone String, app_version String, privacy String), Tuple(DateTime64(3, 'UTC'), UUID)),
    fingerprint AggregateFunction(argMaxIf, Tuple(hash String, signals Map(LowCardinality(String), String)), Tuple(DateTime64(3, 'UTC'), UUID), UInt8),
    user_id     AggregateFunction(argMaxIf, String, Tuple(DateTime64(3, 'UTC'), UUID), UInt8),
    retention   SimpleAggregateFunction(max, UInt16)
)
engine = {{Aggregating}}
partition by tuple() order by (project, device_id, is_bot)
ttl toDateTime(last_seen) + toIntervalDay(retention) where retention > 0
settings
    non_replicated_deduplication_window = 10000, replicated_deduplication_window = 10000,
    replicated_deduplication_window_seconds = 604800, fsync_after_insert = 1, fsync_part_directory = 1,
    min_rows_to_fsync_after_merge = 1;

{{distributed(devices, cityHash64(device_id))}};

create materialized view if not exists devices_view {{on_cluster}} to devices{{local}} as
select
    project, device_id, toUInt8(bot != '') as is_bot, min(at) as first_seen, max(at) as last_seen, min(1 / sample_rate) as weight,
    count() as events, countIf(type in ('page', 'screen')) as page_views,
    argMaxState(cast((country, browser, browser_version, os, os_version, device_type, screen, locale, timezone, app_version, privacy), 'Tuple(country String, browser String, browser_version String, os String, os_version String, device_type String, screen String, locale String, timezone String, app_version String, privacy String)'), (at, event_id)) as agent,
    argMaxIfState(cast((fingerprint_hash, fingerprint), 'Tuple(hash String, signals Map(LowCardinality(String), String))'), (at, event_id), toUInt8(fingerprint_hash != '')) as fingerprint,
    argMaxIfState(user_id, (at, event_id), toUInt8(user_id != '')) as user_id,
    max(retention) as retention
from events{{local}}
group by project, device_id, is_bot;
