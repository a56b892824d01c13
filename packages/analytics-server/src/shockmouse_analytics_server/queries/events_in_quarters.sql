-- events_in_quarters: the events of whole quarter hours, by quarter hour.
-- Parameters: project String; inner_start, inner_end DateTime UTC, half-open, on quarter hours; kinds Array(UInt8).
-- Columns: at_ms Int64; seen_events, seen_pageviews Float64, weighted.
select toInt64(toUnixTimestamp(bucket)) * 1000 as at_ms, events as seen_events, page_views as seen_pageviews
from counts_by_quarter
where project = {project:String} and bucket >= {inner_start:DateTime('UTC')} and bucket < {inner_end:DateTime('UTC')}
    and is_bot in {kinds:Array(UInt8)}
