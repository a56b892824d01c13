-- 0002 sessions: one row per session, by the day it began in.
-- Why: visitors, bounces and durations are exact here, and a question reads only the days it asks about, however many
-- years are stored. The start's day is in the key, so that a session over midnight is one row. device_hash, views and
-- actions say again what a question about many sessions would work out for each: they halve its time.
-- What a session began and ended with stands behind the time and id of its event, whose least or greatest is kept: as
-- argMin states they took a list of sources ten times as long. Where there is no page, entry is of the year 2299.
create table if not exists sessions{{local}} {{on_cluster}}
(
    project      LowCardinality(String),
    start_day    Date,
    is_bot       UInt8,
    device_id    String,
    session_id   String,
    started      SimpleAggregateFunction(min, DateTime64(3, 'UTC')),
    ended        SimpleAggregateFunction(max, DateTime64(3, 'UTC')),
    weight       SimpleAggregateFunction(min, Float64),
    events       SimpleAggregateFunction(sum, UInt64),
    device_hash  SimpleAggregateFunction(any, UInt64),
    views        SimpleAggregateFunction(sum, UInt64), -- pages and screens
    actions      SimpleAggregateFunction(sum, UInt64), -- tracks, clicks and forms: no bounce
    pages        SimpleAggregateFunction(sum, UInt64),
    screens      SimpleAggregateFunction(sum, UInt64),
    tracks       SimpleAggregateFunction(sum, UInt64),
    clicks       SimpleAggregateFunction(sum, UInt64),
    forms        SimpleAggregateFunction(sum, UInt64),
    performances SimpleAggregateFunction(sum, UInt64),
    errors       SimpleAggregateFunction(sum, UInt64),
    identifies   SimpleAggregateFunction(sum, UInt64),
    groups       SimpleAggregateFunction(sum, UInt64),
    aliases      SimpleAggregateFunction(sum, UInt64),
    consents     SimpleAggregateFunction(sum, UInt64),
    entry        SimpleAggregateFunction(min, Tuple(at DateTime64(3, 'UTC'), event_id UUID, host String, path String, referrer_host String, utm_source String, utm_medium String, utm_campaign String, utm_term String, utm_content String)),
    exit         SimpleAggregateFunction(max, Tuple(at DateTime64(3, 'UTC'), event_id UUID, path String)),
    agent        SimpleAggregateFunction(min, Tuple(at DateTime64(3, 'UTC'), event_id UUID, country String, browser String, os String, device_type String)),
    identified   SimpleAggregateFunction(max, Tuple(at DateTime64(3, 'UTC'), event_id UUID, user_id String)),
    retention    SimpleAggregateFunction(max, UInt16)
)
engine = {{Aggregating}}
partition by toYYYYMM(start_day) order by (project, start_day, is_bot, device_id, session_id)
ttl start_day + toIntervalDay(retention + 2) where retention > 0
settings
    non_replicated_deduplication_window = 10000, replicated_deduplication_window = 10000,
    replicated_deduplication_window_seconds = 604800, fsync_after_insert = 1, fsync_part_directory = 1,
    min_rows_to_fsync_after_merge = 1;

{{distributed(sessions, cityHash64(device_id))}};

create materialized view if not exists sessions_view {{on_cluster}} to sessions{{local}} as
select
    project, toDate(session_started) as start_day, toUInt8(bot != '') as is_bot, device_id, session_id,
    min(at) as started, max(at) as ended, min(1 / sample_rate) as weight, count() as events,
    any(device_hash) as device_hash, countIf(type in ('page', 'screen')) as views,
    countIf(type in ('track', 'click', 'form')) as actions,
    countIf(type = 'page') as pages, countIf(type = 'screen') as screens, countIf(type = 'track') as tracks,
    countIf(type = 'click') as clicks, countIf(type = 'form') as forms, countIf(type = 'performance') as performances,
    countIf(type = 'error') as errors, countIf(type = 'identify') as identifies, countIf(type = 'group') as groups,
    countIf(type = 'alias') as aliases, countIf(type = 'consent') as consents,
    if(views = 0, (toDateTime64('2299-12-31', 3, 'UTC'), toUUID('00000000-0000-0000-0000-000000000000'), '', '', '', '', '', '', '', ''),
        minIf((at, event_id, host::String, path::String, referrer_host::String, utm_source::String, utm_medium::String, utm_campaign::String, utm_term::String, utm_content::String), type in ('page', 'screen'))) as entry,
    maxIf((at, event_id, path::String), type in ('page', 'screen')) as exit,
    min((at, event_id, country::String, browser::String, os::String, device_type::String)) as agent,
    maxIf((at, event_id, user_id), user_id != '') as identified,
    max(retention) as retention
from events{{local}}
group by project, start_day, is_bot, device_id, session_id;
