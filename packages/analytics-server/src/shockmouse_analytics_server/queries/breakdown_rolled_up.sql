-- breakdown_rolled_up: visitors, sessions, events and page views by value, the greatest first; whole days from the rollup.
-- Parameters: project, dimension String; start, end DateTime64(3) UTC, half-open; inner_start, inner_end Date, UTC: the
--     whole days within; kinds Array(UInt8); those of value; rows, offset UInt64. The marks for distinct visitors and
--     sessions are 0 where nobody asks for them; hours is nothing where the range is whole days.
-- Columns: value String; visitors, sessions UInt64, of sketches, right where sampled is 0; events, pageviews Float64,
--     weighted; sampled UInt64, seen Float64: the sampled events and all of them, of all values.
select value, visitors, sessions, events, pageviews, sum(group_sampled) over () as sampled, sum(events) over () as seen
from
(
    select
        value, {{distinct_visitors}} as visitors, {{distinct_sessions}} as sessions, sum(counted.events) as events,
        sum(counted.page_views) as pageviews, sum(counted.sampled) as group_sampled
    from
    (
        select value, events, page_views, sampled, visitors, sessions
        from counts_by_value
        where project = {project:String} and dimension = {dimension:String}
            and day >= {inner_start:Date} and day < {inner_end:Date} and is_bot in {kinds:Array(UInt8)}
        {{hours}}
    ) as counted
    group by value
)
order by round({{order}}, 6) desc, value
limit {rows:UInt64} offset {offset:UInt64}
