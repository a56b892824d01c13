-- export_counted: how many events an export holds in each of some intervals of time, one after another.
-- Parameters: those of export; first_ms, width_ms Int64: where the intervals begin, since 1970, and how long they are.
-- Columns: place UInt64, of the interval; events UInt64, as stored.
select intDiv(toUnixTimestamp64Milli(at) - {first_ms:Int64}, {width_ms:Int64}) as place, count() as events
from events
where project = {project:String} and at >= {slice_start:DateTime64(3, 'UTC')} and at < {slice_end:DateTime64(3, 'UTC')}
    and at >= {start:DateTime64(3, 'UTC')} and at < {end:DateTime64(3, 'UTC')}
    and (bot != '') in {kinds:Array(UInt8)} and {{event_fits}}
group by place
order by place
