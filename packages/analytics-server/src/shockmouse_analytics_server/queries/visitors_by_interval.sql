-- visitors_by_interval: weighted visitors by the interval in which sessions began, where devices are sampled.
-- Why: a device counts once, with the least of its weights; grouping by device doubles the question's time.
-- Parameters: those of sessions_by_interval.
-- Columns: interval_ms Int64; visitors Float64.
with arrayCumSum(arrayConcat([{first_ms:Int64}], arrayFlatten(arrayMap(
    (width, times) -> arrayWithConstant(times, width), {widths_ms:Array(Int64)}, {repeats:Array(UInt32)})))) as edges
select interval_ms, sum(device_weight) as visitors
from
(
    select roundDown(toUnixTimestamp64Milli(started), edges) as interval_ms, min(weight) as device_weight
    from ({{sessions}})
    where started >= {start:DateTime64(3, 'UTC')} and started < {end:DateTime64(3, 'UTC')} and {{session_fits}}
    group by interval_ms, device_hash
)
group by interval_ms
