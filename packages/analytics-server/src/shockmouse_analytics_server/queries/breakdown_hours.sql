-- breakdown_hours: what breakdown_rolled_up adds to whole days: the events around them, by value.
-- Parameters: project String; start, end DateTime64(3) UTC, half-open; inner_start, inner_end Date, UTC: the whole days
--     within; kinds Array(UInt8); those of value and filters. Mark: value.
-- Columns: those of the rollup that are asked for; sketches of the same kind.
union all
select
    {{value}} as value, sum(1 / sample_rate) as events, sumIf(1 / sample_rate, type in ('page', 'screen')) as page_views,
    countIf(sample_rate < 1) as sampled, uniqCombinedState(12)(device_hash) as visitors,
    uniqCombinedState(12)(session_hash) as sessions
from events
where project = {project:String} and at >= {start:DateTime64(3, 'UTC')} and at < {end:DateTime64(3, 'UTC')}
    and (toDate(at) < {inner_start:Date} or toDate(at) >= {inner_end:Date}) and (bot != '') in {kinds:Array(UInt8)}
    and {{event_fits}}
group by value
