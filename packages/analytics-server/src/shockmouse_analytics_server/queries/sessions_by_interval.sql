-- sessions_by_interval: visitors and sessions by the interval in which sessions began.
-- Parameters: those of the session source and of the filters; start, end DateTime64(3) UTC, half-open;
--     first_ms Int64, widths_ms Array(Int64), repeats Array(UInt32): where intervals begin, as runs of equal widths.
-- Marks: interval: into which a session falls; counted: what is summed up of those of an interval.
-- Columns: interval_ms Int64; heaviest Float64, the greatest weight; those wanted of: visitors UInt64, right where heaviest
--     is 1; sessions, bounces, views, duration_ms Float64, weighted.
with arrayCumSum(arrayConcat([{first_ms:Int64}], arrayFlatten(arrayMap(
    (width, times) -> arrayWithConstant(times, width), {widths_ms:Array(Int64)}, {repeats:Array(UInt32)})))) as edges
select
    {{interval}} as interval_ms, {{counted}},
    max(weight) as heaviest
from ({{sessions}}) as found
where started >= {start:DateTime64(3, 'UTC')} and started < {end:DateTime64(3, 'UTC')} and {{session_fits}}
group by interval_ms
