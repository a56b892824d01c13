-- events_by_interval: events and page views by the interval of their own time.
-- Parameters: those of the source of events; first_ms Int64, widths_ms Array(Int64), repeats Array(UInt32): where
--     intervals begin, as runs of equal widths.
-- Columns: interval_ms Int64; pageviews, events Float64, weighted.
with arrayCumSum(arrayConcat([{first_ms:Int64}], arrayFlatten(arrayMap(
    (width, times) -> arrayWithConstant(times, width), {widths_ms:Array(Int64)}, {repeats:Array(UInt32)})))) as edges
select roundDown(at_ms, edges) as interval_ms, sum(seen_pageviews) as pageviews, sum(seen_events) as events
from ({{events}})
group by interval_ms
