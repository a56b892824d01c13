-- breakdown_days_of_values: what breakdown_rolled_up takes of whole days, by the value of a dimension.
-- Parameters: project, dimension String; inner_start, inner_end Date, UTC, half-open; kinds Array(UInt8).
-- Columns: value String; events, page_views Float64, weighted; sampled UInt64; visitors, sessions: sketches.
select value, events, page_views, sampled, visitors, sessions
from counts_by_value
where project = {project:String} and dimension = {dimension:String}
    and day >= {inner_start:Date} and day < {inner_end:Date} and is_bot in {kinds:Array(UInt8)}
