-- events_received: the events that fit, in the order in which the server received them, after a given one.
-- Parameters: project String; start, end DateTime64(3) UTC: bounds of the events' own time, so that not all is read;
--     after DateTime64(3) UTC, after_id UUID: the one before; until DateTime64(3) UTC, inclusive; kinds Array(UInt8);
--     those of the filters; rows UInt64.
-- Columns: event_columns.
select {{columns}}
from events
where project = {project:String} and at >= {start:DateTime64(3, 'UTC')} and at < {end:DateTime64(3, 'UTC')}
    and events.received_at >= {after:DateTime64(3, 'UTC')} and events.received_at <= {until:DateTime64(3, 'UTC')}
    and (events.received_at, events.event_id) > ({after:DateTime64(3, 'UTC')}, {after_id:UUID})
    and (bot != '') in {kinds:Array(UInt8)} and {{event_fits}}
order by events.received_at, events.event_id
limit {rows:UInt64}
