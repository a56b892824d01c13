-- events_known: which of some events a project has, by id and time.
-- Parameters: project String; start, end DateTime64(3) UTC, both included; ids Array(UUID).
-- Columns: event_id.
select event_id
from events
where project = {project:String} and at >= {start:DateTime64(3, 'UTC')} and at <= {end:DateTime64(3, 'UTC')}
    and event_id in {ids:Array(UUID)}
