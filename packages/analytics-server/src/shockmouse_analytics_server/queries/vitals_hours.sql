-- vitals_hours: what vitals_rolled_up adds to whole days: the events around them, one by one.
-- Parameters: those of vitals_rolled_up. Mark: value.
-- Columns: name, value String; weight, measured Float64.
union all
select name, {{value}} as value, 1 / sample_rate as weight,
    assumeNotNull(toFloat64OrNull(ifNull(nullIf(toString(properties.value), ''), toString(properties.duration_ms)))
        as found) as measured
from events
where project = {project:String} and at >= {start:DateTime64(3, 'UTC')} and at < {end:DateTime64(3, 'UTC')}
    and (toDate(at) < {inner_start:Date} or toDate(at) >= {inner_end:Date})
    and (bot != '') in {kinds:Array(UInt8)} and type = 'performance' and isFinite(ifNull(found, nan))
