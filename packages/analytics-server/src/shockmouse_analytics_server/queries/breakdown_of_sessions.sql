-- breakdown_of_sessions: what is counted of sessions, by what they began or ended with.
-- Why: without sampled devices it takes 40 % less time than grouping by device first.
-- Parameters: those of the session source and of the filters; start, end DateTime64(3) UTC, half-open; rows, offset UInt64.
-- Mark: counted: what is summed up of the sessions of a value.
-- Columns: value String; heaviest Float64, the greatest weight of all; those wanted of: visitors UInt64, right where
--     heaviest is 1; sessions, events, pageviews, bounces, views, duration_ms Float64, weighted.
select * except (group_heaviest), max(group_heaviest) over () as heaviest
from
(
    select {{value}} as value, {{counted}}, max(weight) as group_heaviest
    from ({{sessions}}) as found
    where started >= {start:DateTime64(3, 'UTC')} and started < {end:DateTime64(3, 'UTC')} and {{session_fits}}
    group by value
)
order by round({{order}}, 6) desc, value
limit {rows:UInt64} offset {offset:UInt64}
