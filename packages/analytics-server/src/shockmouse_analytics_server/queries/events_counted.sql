-- events_counted: the events of a range that fit, each with its weight.
-- Parameters: project String; start, end DateTime64(3) UTC, half-open; kinds Array(UInt8); those of the filters.
-- Columns: at_ms Int64, type String, weight Float64.
select toUnixTimestamp64Milli(at) as at_ms, type, 1 / sample_rate as weight
from events
where project = {project:String} and at >= {start:DateTime64(3, 'UTC')} and at < {end:DateTime64(3, 'UTC')}
    and (bot != '') in {kinds:Array(UInt8)} and {{event_fits}}
