-- export: the events of a slice of an export that fit, oldest first.
-- Parameters: project String; start, end DateTime64(3) UTC, half-open, of the export; slice_start, slice_end of the slice;
--   kinds Array(UInt8); those of the filters; with the mark filled skipped, rows UInt64.
-- Columns: those of the format.
select {{columns}}
from events
where project = {project:String} and at >= {slice_start:DateTime64(3, 'UTC')} and at < {slice_end:DateTime64(3, 'UTC')}
    and at >= {start:DateTime64(3, 'UTC')} and at < {end:DateTime64(3, 'UTC')}
    and (bot != '') in {kinds:Array(UInt8)} and {{event_fits}}
order by events.project, events.at, events.event_id
{{part}}
