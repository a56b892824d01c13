-- events_counted: the events of a range that fit, each with its weight.
-- Parameters: project String; start, end DateTime64(3) UTC, half-open; kinds Array(UInt8); those of the filters.
-- Columns: at_ms Int64; seen_events, seen_pageviews Float64, weighted.
select toUnixTimestamp64Milli(at) as at_ms, 1 / sample_rate as seen_events,
    if(type in ('page', 'screen'), 1 / sample_rate, 0) as seen_pageviews
from events
where project = {project:String} and at >= {start:DateTime64(3, 'UTC')} and at < {end:DateTime64(3, 'UTC')}
    and (bot != '') in {kinds:Array(UInt8)} and {{event_fits}}
