-- events: the events of a range that fit, newest first, after a given one.
-- Parameters: project String; start, end DateTime64(3) UTC, half-open; kinds Array(UInt8); those of the filters;
--     after DateTime64(3) UTC, after_id UUID: what the page before ended with; rows UInt64.
-- Columns: event_columns.
select {{columns}}
from events
where project = {project:String} and at >= {start:DateTime64(3, 'UTC')} and at < {end:DateTime64(3, 'UTC')}
    and at <= {after:DateTime64(3, 'UTC')} and (at, events.event_id) < ({after:DateTime64(3, 'UTC')}, {after_id:UUID})
    and (bot != '') in {kinds:Array(UInt8)} and {{event_fits}}
order by at desc, events.event_id desc
limit {rows:UInt64}
