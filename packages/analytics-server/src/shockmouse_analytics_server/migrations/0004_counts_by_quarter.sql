-- 0004 counts_by_quarter: events and page views per project and quarter hour, weighted by 1 / sample_rate.
-- Why: the first view of the dashboard reads four rows an hour, whatever events there are. Quarter hours, because zones
-- of +5:45 exist.
create table if not exists counts_by_quarter{{local}} {{on_cluster}}
(
    project    LowCardinality(String),
    bucket     DateTime('UTC'),
    is_bot     UInt8,
    retention  UInt16,
    events     Float64,
    page_views Float64
)
engine = {{Summing((events, page_views))}}
partition by toYYYYMM(bucket) order by (project, bucket, is_bot, retention)
ttl bucket + toIntervalDay(retention) where retention > 0
settings
    non_replicated_deduplication_window = 10000, replicated_deduplication_window = 10000,
    replicated_deduplication_window_seconds = 604800, fsync_after_insert = 1, fsync_part_directory = 1,
    min_rows_to_fsync_after_merge = 1;

{{distributed(counts_by_quarter, rand())}};

create materialized view if not exists counts_by_quarter_view {{on_cluster}} to counts_by_quarter{{local}} as
select
    project, toStartOfInterval(toDateTime(at, 'UTC'), toIntervalMinute(15)) as bucket, toUInt8(bot != '') as is_bot,
    rollup_retention as retention, sum(1 / sample_rate) as events,
    sumIf(1 / sample_rate, type in ('page', 'screen')) as page_views
from events{{local}}
group by project, bucket, is_bot, retention;
