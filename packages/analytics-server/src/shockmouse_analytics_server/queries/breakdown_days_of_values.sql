-- breakdown_days_of_values: what breakdown_rolled_up takes of whole days, by the value of a dimension.
-- Parameters: project, dimension String; inner_start, inner_end Date, UTC, half-open; weeks_start, weeks_end Date: the whole
--     weeks within, where they begin and end with no day if there are none; kinds Array(UInt8).
-- Columns: value String; events, page_views Float64, weighted; sampled UInt64; visitors, sessions: sketches.
select value, events, page_views, sampled, visitors, sessions
from counts_by_value
where project = {project:String} and dimension = {dimension:String}
    and (day >= {inner_start:Date} and day < {weeks_start:Date} or day >= {weeks_end:Date} and day < {inner_end:Date})
    and is_bot in {kinds:Array(UInt8)}
union all
select value, events, page_views, sampled, visitors, sessions
from counts_by_week
where project = {project:String} and dimension = {dimension:String}
    and week >= {weeks_start:Date} and week < {weeks_end:Date} and is_bot in {kinds:Array(UInt8)}
