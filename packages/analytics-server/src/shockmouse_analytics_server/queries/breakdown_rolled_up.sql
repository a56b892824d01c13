-- breakdown_rolled_up: visitors, sessions, events and page views by value, the greatest first; whole days from the rollup.
-- Parameters: those of the days' source and of the hours; rows, offset UInt64. The marks for distinct visitors and
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
        {{days}}
        {{hours}}
    ) as counted
    group by value
)
order by round({{order}}, 6) desc, value
limit {rows:UInt64} offset {offset:UInt64}
