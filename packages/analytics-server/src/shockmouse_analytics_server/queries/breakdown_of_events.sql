-- breakdown_of_events: visitors, sessions, events and page views by the value of events, the greatest first.
-- Why: without sampled devices, sets of distinct ones take half the time and memory of grouping by session first.
-- Parameters: project String; start, end DateTime64(3) UTC, half-open; kinds Array(UInt8); those of value and filters;
--     rows, offset UInt64. The marks for distinct visitors and sessions are 0 where nobody asks for them.
-- Columns: value String; visitors, sessions UInt64, right where heaviest, the greatest weight of all, is 1; events,
--     pageviews Float64, weighted.
select value, visitors, sessions, events, pageviews, max(group_heaviest) over () as heaviest
from
(
    select
        {{value}} as value, {{distinct_visitors}} as visitors, {{distinct_sessions}} as sessions,
        sum(1 / sample_rate) as events, sumIf(1 / sample_rate, type in ('page', 'screen')) as pageviews,
        max(1 / sample_rate) as group_heaviest
    from events
    where project = {project:String} and at >= {start:DateTime64(3, 'UTC')} and at < {end:DateTime64(3, 'UTC')}
        and (bot != '') in {kinds:Array(UInt8)} and {{event_fits}}
    group by value
)
order by round({{order}}, 6) desc, value
limit {rows:UInt64} offset {offset:UInt64}
