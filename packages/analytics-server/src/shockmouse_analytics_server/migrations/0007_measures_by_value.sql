-- 0007 measures_by_value: the values of performance events by day, UTC, in steps of 2 %: a histogram of sums.
-- Why: percentiles of a month must not read every measure's JSON. A step holds the values of ]1.02^(n-1), 1.02^n]
-- millionths, so that its middle is within 1 % of each; step 0 holds those within a millionth of zero, and negative
-- steps mirror the others. Sums only: they weigh, and they can be taken back.
create table if not exists measures_by_value{{local}} {{on_cluster}}
(
    project   LowCardinality(String),
    dimension LowCardinality(String), -- empty: of all events together
    day       Date,
    name      LowCardinality(String),
    value     String,
    step      Int32,
    is_bot    UInt8,
    retention UInt16,
    events    Float64
)
engine = {{Summing(events)}}
partition by toYYYYMM(day) order by (project, dimension, day, name, value, step, is_bot, retention)
ttl day + toIntervalDay(retention) where retention > 0
settings
    non_replicated_deduplication_window = 10000, replicated_deduplication_window = 10000,
    replicated_deduplication_window_seconds = 604800, fsync_after_insert = 1, fsync_part_directory = 1,
    min_rows_to_fsync_after_merge = 1;

{{distributed(measures_by_value, rand())}};

create materialized view if not exists measures_by_value_view {{on_cluster}} to measures_by_value{{local}} as
select
    project, found.1 as dimension, day, name, found.2 as value,
    if(abs(measured) <= 0.000001, 0, sign(measured) * ceil(log(abs(measured) / 0.000001) / log(1.02)))::Int32 as step,
    is_bot, retention, sum(weight) as events
from
(
    select
        project, toDate(at) as day, name, toUInt8(bot != '') as is_bot, rollup_retention as retention,
        1 / sample_rate as weight,
        toFloat64OrNull(ifNull(nullIf(toString(properties.value), ''), toString(properties.duration_ms))) as measured,
        [('', ''), ('path', path), ('country', country), ('browser', browser), ('os', os), ('device_type', device_type)]::Array(Tuple(LowCardinality(String), String)) as valued
    from events{{local}}
    where type = 'performance' and isFinite(ifNull(measured, nan))
)
array join valued as found
group by project, dimension, day, name, value, step, is_bot, retention;
