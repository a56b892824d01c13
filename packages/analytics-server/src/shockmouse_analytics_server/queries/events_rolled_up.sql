-- events_rolled_up: the events of a range by quarter hour, with those outside of whole quarter hours one by one.
-- Why: the rollup must answer ranges that end now, too; less than half an hour is read from the events.
-- Beware: a DateTime64 column compared with a DateTime loses the last second before it (26.9, by the index).
-- Parameters: project String; start, end DateTime64(3) UTC, half-open; inner_start, inner_end DateTime UTC: the whole
--     quarter hours within, none where the first is not before the second; kinds Array(UInt8).
-- Columns: at_ms Int64; seen_events, seen_pageviews Float64, weighted.
{{quarters}}
union all
select toUnixTimestamp64Milli(at) as at_ms, 1 / sample_rate as seen_events,
    if(type in ('page', 'screen'), 1 / sample_rate, 0) as seen_pageviews
from events
where project = {project:String} and at >= {start:DateTime64(3, 'UTC')} and at < {end:DateTime64(3, 'UTC')}
    and (at < {inner_start:DateTime64(3, 'UTC')} or at >= {inner_end:DateTime64(3, 'UTC')})
    and (bot != '') in {kinds:Array(UInt8)}
