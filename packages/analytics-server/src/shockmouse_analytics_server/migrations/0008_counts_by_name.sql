-- 0008 counts_by_name: what each event of some name counts a day, UTC; visitors and sessions as sketches, as in 0006.
-- Why: the dashboard's first view lists what people did, and must not scan events for it. The names of pages and screens
-- are their titles, and those of performance events are in 0007: they are left out.
create table if not exists counts_by_name{{local}} {{on_cluster}}
(
    project   LowCardinality(String),
    type      LowCardinality(String),
    day       Date,
    name      String,
    is_bot    UInt8,
    retention UInt16,
    events    SimpleAggregateFunction(sum, Float64),
    sampled   SimpleAggregateFunction(sum, UInt64),
    visitors  AggregateFunction(uniqCombined(12), UInt64),
    sessions  AggregateFunction(uniqCombined(12), UInt64)
)
engine = {{Aggregating}}
partition by toYYYYMM(day) order by (project, type, day, name, is_bot, retention)
ttl day + toIntervalDay(retention) where retention > 0
settings
    non_replicated_deduplication_window = 10000, replicated_deduplication_window = 10000,
    replicated_deduplication_window_seconds = 604800, fsync_after_insert = 1, fsync_part_directory = 1,
    min_rows_to_fsync_after_merge = 1;

{{distributed(counts_by_name, rand())}};

{{cut(events)}} create materialized view if not exists counts_by_name_view {{on_cluster}} to counts_by_name{{local}} as
select
    project, type, toDate(at) as day, name, toUInt8(bot != '') as is_bot, rollup_retention as retention,
    sum(1 / sample_rate) as events, countIf(sample_rate < 1) as sampled,
    uniqCombinedState(12)(device_hash) as visitors,
    uniqCombinedState(12)(session_hash) as sessions
from events{{local}}
where type not in ('page', 'screen', 'performance')
group by project, type, day, name, is_bot, retention;

{{backfill(events_cut)}} insert into counts_by_name
select
    project, type, toDate(at) as day, name, toUInt8(bot != '') as is_bot, rollup_retention as retention,
    sum(1 / sample_rate) as events, countIf(sample_rate < 1) as sampled,
    uniqCombinedState(12)(device_hash) as visitors,
    uniqCombinedState(12)(session_hash) as sessions
from events_cut
where type not in ('page', 'screen', 'performance') and _partition_id = {partition:String}
group by project, type, day, name, is_bot, retention
order by project, type, day, name, is_bot, retention;

drop table if exists events_cut {{on_cluster}} sync;

drop table if exists events_cut{{local}} {{on_cluster}} sync;
