-- export: the events of a range that fit, oldest first, in the order in which they are stored, so that nothing is sorted.
-- Parameters: project String; start, end DateTime64(3) UTC, half-open; kinds Array(UInt8); those of the filters.
-- Columns: those of the format.
select {{columns}}
from events
where project = {project:String} and at >= {start:DateTime64(3, 'UTC')} and at < {end:DateTime64(3, 'UTC')}
    and (bot != '') in {kinds:Array(UInt8)} and {{event_fits}}
order by events.project, events.at, events.event_id
