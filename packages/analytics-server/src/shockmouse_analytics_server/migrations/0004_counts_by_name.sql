-- 0004 counts_by_name: events per project, quarter hour, type and name, weighted by 1 / sample_rate.
-- Why: the first view of the dashboard must not scan events. Quarter hours, because zones of +5:45 exist. Pages and
-- screens carry no name here: their names are as many as the pages.
create table if not exists counts_by_name{{local}} {{on_cluster}}
(
    project   LowCardinality(String),
    bucket    DateTime('UTC'),
    type      LowCardinality(String),
    name      LowCardinality(String),
    is_bot    UInt8,
    retention UInt16,
    events    Float64
)
engine = {{Summing(events)}}
partition by toYYYYMM(bucket) order by (project, bucket, type, name, is_bot, retention)
ttl bucket + toIntervalDay(retention) where retention > 0
settings
    non_replicated_deduplication_window = 10000, replicated_deduplication_window = 10000,
    replicated_deduplication_window_seconds = 604800, fsync_after_insert = 1, fsync_part_directory = 1;

{{distributed(counts_by_name, rand())}};

create materialized view if not exists counts_by_name_view {{on_cluster}} to counts_by_name{{local}} as
select
    project, toStartOfInterval(toDateTime(at, 'UTC'), toIntervalMinute(15)) as bucket, type,
    if(type in ('page', 'screen'), '', name) as name, toUInt8(bot != '') as is_bot,
    rollup_retention as retention, sum(1 / sample_rate) as events
from events{{local}}
group by project, bucket, type, name, is_bot, retention;
