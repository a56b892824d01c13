-- retention: visitors by the interval of their first session of a range and the intervals of their others.
-- Parameters: those of the session source and of the filters; start, end DateTime64(3) UTC, half-open;
--     first_ms Int64, widths_ms Array(Int64), repeats Array(UInt32): where intervals begin, as runs of equal widths.
-- Columns: cohort_ms, active_ms Int64; visitors Float64, weighted, a device with the least weight of its sessions.
with arrayCumSum(arrayConcat([{first_ms:Int64}], arrayFlatten(arrayMap(
    (width, times) -> arrayWithConstant(times, width), {widths_ms:Array(Int64)}, {repeats:Array(UInt32)})))) as edges
select cohort_ms, active_ms, sum(device_weight) as visitors
from
(
    select
        min(weight) as device_weight, groupUniqArray(roundDown(toUnixTimestamp64Milli(started), edges)) as intervals,
        arrayMin(intervals) as cohort_ms, arrayJoin(intervals) as active_ms
    from ({{sessions}})
    where started >= {start:DateTime64(3, 'UTC')} and started < {end:DateTime64(3, 'UTC')} and {{session_fits}}
    group by device_hash
)
group by cohort_ms, active_ms
