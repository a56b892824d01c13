-- export_counted: how many events an export will hold.
-- Parameters: those of export.
-- Columns: events UInt64, as stored.
select count() as events
from events
where project = {project:String} and at >= {start:DateTime64(3, 'UTC')} and at < {end:DateTime64(3, 'UTC')}
    and (bot != '') in {kinds:Array(UInt8)} and {{event_fits}}
