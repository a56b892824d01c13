-- 0009 counts_by_week: what 0006 counts a day, by week from Monday, UTC.
-- Why: a month by day is thirty sketches of every page to unite, a year 365. A question takes the whole weeks of its range
-- from here and the days around them from there. A week ends with its last day.
create table if not exists counts_by_week{{local}} {{on_cluster}}
(
    project    LowCardinality(String),
    dimension  LowCardinality(String),
    week       Date, -- its Monday
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
partition by toYYYYMM(week) order by (project, dimension, week, value, is_bot, retention)
ttl week + toIntervalDay(retention + 6) where retention > 0
settings
    non_replicated_deduplication_window = 10000, replicated_deduplication_window = 10000,
    replicated_deduplication_window_seconds = 604800, fsync_after_insert = 1, fsync_part_directory = 1,
    min_rows_to_fsync_after_merge = 1;

{{distributed(counts_by_week, rand())}};

create materialized view if not exists counts_by_week_view {{on_cluster}} to counts_by_week{{local}} as
select
    project, found.1 as dimension, week, found.2 as value, is_bot, retention, sum(weight) as events,
    sumIf(weight, is_view) as page_views, countIf(weight > 1) as sampled,
    uniqCombinedState(12)(device_hash) as visitors, uniqCombinedState(12)(session_hash) as sessions
from
(
    select
        project, toMonday(at, 'UTC') as week, toUInt8(bot != '') as is_bot, rollup_retention as retention,
        1 / sample_rate as weight, type in ('page', 'screen') as is_view, device_hash, session_hash,
        [('path', path), ('referrer_host', referrer_host), ('utm_source', utm_source), ('country', country), ('browser', browser), ('os', os), ('device_type', device_type)]::Array(Tuple(LowCardinality(String), String)) as valued
    from events{{local}}
)
array join valued as found
group by project, dimension, week, value, is_bot, retention;
