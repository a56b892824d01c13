-- breakdown_days_of_names: what breakdown_rolled_up takes of whole days, by the name of events of some types.
-- Parameters: project String; types Array(String); inner_start, inner_end Date, UTC, half-open; kinds Array(UInt8).
-- Columns: value String; events, page_views Float64, weighted; sampled UInt64; visitors, sessions: sketches.
select name as value, events, 0 as page_views, sampled, visitors, sessions
from counts_by_name
where project = {project:String} and type in {types:Array(String)}
    and day >= {inner_start:Date} and day < {inner_end:Date} and is_bot in {kinds:Array(UInt8)}
