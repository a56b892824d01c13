-- breakdown: visitors, sessions, events and page views by value, the greatest first.
-- Why: grouped by device first, because a sampled device counts once in a group, with the least of its weights.
-- Parameters: those of the groups; rows, offset UInt64.
-- Columns: value String; visitors, sessions, events, pageviews, bounces, views, duration_ms Float64, weighted.
select
    value, sum(device_weight) as visitors, sum(device_sessions) as sessions, sum(device_events) as events,
    sum(device_pageviews) as pageviews, sum(device_bounces) as bounces, sum(device_views) as views,
    sum(device_duration_ms) as duration_ms
from
(
    select
        value, device_id, min(weight) as device_weight, sum(weight) as device_sessions,
        sum(weighted_events) as device_events, sum(weighted_pageviews) as device_pageviews,
        sum(weight * (views = 1 and actions = 0)) as device_bounces,
        sum(weight * views) as device_views,
        sum(weight * (toUnixTimestamp64Milli(ended) - toUnixTimestamp64Milli(started))) as device_duration_ms
    from ({{groups}})
    group by value, device_id
)
group by value
order by round({{order}}, 6) desc, value
limit {rows:UInt64} offset {offset:UInt64}
