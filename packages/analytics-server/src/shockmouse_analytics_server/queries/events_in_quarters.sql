-- events_in_quarters: the events of whole quarter hours, by quarter hour and name.
-- Parameters: project String; inner_start, inner_end DateTime UTC, half-open, on quarter hours; kinds Array(UInt8).
-- Columns: at_ms Int64, type String, weight Float64.
select toInt64(toUnixTimestamp(bucket)) * 1000 as at_ms, type, events as weight
from counts_by_name
where project = {project:String} and bucket >= {inner_start:DateTime('UTC')} and bucket < {inner_end:DateTime('UTC')}
    and is_bot in {kinds:Array(UInt8)}
