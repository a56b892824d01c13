-- realtime: visitors, events and page views of a short range, by the events' own time.
-- Parameters: project String; start, end DateTime64(3) UTC, half-open; kinds Array(UInt8); those of the filters.
-- Columns: visitors, events, pageviews Float64, weighted.
select sum(weight) as visitors, sum(device_events) as events, sum(device_pageviews) as pageviews
from
(
    select
        device_hash, min(1 / sample_rate) as weight, sum(1 / sample_rate) as device_events,
        sumIf(1 / sample_rate, type in ('page', 'screen')) as device_pageviews
    from events
    where project = {project:String} and at >= {start:DateTime64(3, 'UTC')} and at < {end:DateTime64(3, 'UTC')}
        and (bot != '') in {kinds:Array(UInt8)} and {{event_fits}}
    group by device_hash
)
