-- groups_of_events: the events of a range by value and session.
-- Parameters: project String; start, end DateTime64(3) UTC, half-open; kinds Array(UInt8); those of value and filters.
-- Columns: those of every source of groups; what is known of whole sessions is left at 0.
select
    {{value}} as value, toDate(session_started) as start_day, device_id, session_id,
    min(1 / sample_rate) as weight, sum(1 / sample_rate) as weighted_events,
    sumIf(1 / sample_rate, type in ('page', 'screen')) as weighted_pageviews,
    0 as views, 0 as actions, fromUnixTimestamp64Milli(0) as started, fromUnixTimestamp64Milli(0) as ended
from events
where project = {project:String} and at >= {start:DateTime64(3, 'UTC')} and at < {end:DateTime64(3, 'UTC')}
    and (bot != '') in {kinds:Array(UInt8)} and {{event_fits}}
group by value, start_day, device_id, session_id
