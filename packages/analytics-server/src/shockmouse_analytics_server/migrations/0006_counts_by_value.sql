-- 0006 counts_by_value: what each value of some dimensions counts a day, UTC; visitors and sessions as sketches.
-- Why: the lists of a dashboard must not scan events, and distinct devices of every page cannot be kept one by one.
-- A sketch is exact for few and 1.6 % off for many, of at most 3 KB; docs/api.md has what was measured. `sampled` counts
-- events with a weight: a sketch weighs nobody, so that where there are any, the events themselves are asked.
create table if not exists counts_by_value{{local}} {{on_cluster}}
(
    project    LowCardinality(String),
    dimension  LowCardinality(String),
    day        Date,
    value      String,
    is_bot     UInt8,
    retention  UInt16,
    events     SimpleAggregateFunction(sum, Float64),
    page_views SimpleAggregateFunction(sum, Float64),
    sampled    SimpleAggregateFunction(sum, UInt64),
    visitors   AggregateFunction(uniqCombined(12), UInt64),
    sessions   AggregateFunction(uniqCombined(12), UInt64)
)
engine = {{Aggregating}}
partition by toYYYYMM(day) order by (project, dimension, day, value, is_bot, retention)
ttl day + toIntervalDay(retention) where retention > 0
settings
    non_replicated_deduplication_window = 10000, replicated_deduplication_window = 10000,
    replicated_deduplication_window_seconds = 604800, fsync_after_insert = 1, fsync_part_directory = 1,
    min_rows_to_fsync_after_merge = 1;

{{distributed(counts_by_value, rand())}};

create materialized view if not exists counts_by_value_view {{on_cluster}} to counts_by_value{{local}} as
select
    project, found.1 as dimension, day, found.2 as value, is_bot, retention, sum(weight) as events,
    sumIf(weight, is_view) as page_views, countIf(weight > 1) as sampled,
    uniqCombinedState(12)(device_hash) as visitors, uniqCombinedState(12)(session_hash) as sessions
from
(
    select
        project, toDate(at) as day, toUInt8(bot != '') as is_bot, rollup_retention as retention,
        1 / sample_rate as weight, type in ('page', 'screen') as is_view, device_hash, session_hash,
        [('path', path), ('referrer_host', referrer_host), ('utm_source', utm_source), ('country', country), ('browser', browser), ('os', os), ('device_type', device_type)]::Array(Tuple(LowCardinality(String), String)) as valued
    from events{{local}}
)
array join valued as found
group by project, dimension, day, value, is_bot, retention;
