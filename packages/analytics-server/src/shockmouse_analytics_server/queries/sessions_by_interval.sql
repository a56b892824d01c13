-- sessions_by_interval: visitors and sessions by the interval in which sessions began.
-- Why: grouped by device first, because a sampled device counts once, with the least of its weights.
-- Parameters: those of the session source and of the filters; start, end DateTime64(3) UTC, half-open;
--     first_ms Int64, widths_ms Array(Int64), repeats Array(UInt32): where intervals begin, as runs of equal widths.
-- Columns: interval_ms Int64; visitors, sessions, bounces, views, duration_ms Float64, weighted.
with arrayCumSum(arrayConcat([{first_ms:Int64}], arrayFlatten(arrayMap(
    (width, times) -> arrayWithConstant(times, width), {widths_ms:Array(Int64)}, {repeats:Array(UInt32)})))) as edges
select
    interval_ms, sum(device_weight) as visitors, sum(device_sessions) as sessions, sum(device_bounces) as bounces,
    sum(device_views) as views, sum(device_duration_ms) as duration_ms
from
(
    select
        roundDown(toUnixTimestamp64Milli(started), edges) as interval_ms,
        device_id,
        min(weight) as device_weight,
        sum(weight) as device_sessions,
        sum(weight * (pages + screens = 1 and tracks + clicks + forms = 0)) as device_bounces,
        sum(weight * (pages + screens)) as device_views,
        sum(weight * (toUnixTimestamp64Milli(ended) - toUnixTimestamp64Milli(started))) as device_duration_ms
    from ({{sessions}})
    where started >= {start:DateTime64(3, 'UTC')} and started < {end:DateTime64(3, 'UTC')} and {{session_fits}}
    group by interval_ms, device_id
)
group by interval_ms
