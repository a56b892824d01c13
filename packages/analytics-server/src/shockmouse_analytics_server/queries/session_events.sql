-- session_events: the events of one session, oldest first, after a given one.
-- Parameters: project, device_id, session_id String; start_day Date; first, last DateTime64(3) UTC, inclusive: the
--     session's own times, which bound what is read; after DateTime64(3), after_id UUID; rows UInt64; kinds Array(UInt8).
-- Columns: event_columns.
select {{columns}}
from events
where project = {project:String} and at >= {first:DateTime64(3, 'UTC')} and at <= {last:DateTime64(3, 'UTC')}
    and toDate(session_started) = {start_day:Date} and device_id = {device_id:String}
    and session_id = {session_id:String} and (bot != '') in {kinds:Array(UInt8)}
    and (at, events.event_id) > ({after:DateTime64(3, 'UTC')}, {after_id:UUID})
order by at, events.event_id
limit {rows:UInt64}
