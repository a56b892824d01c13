-- funnel: how many devices or users reached each step in order within the window, and how long a step took, by value.
-- Why: ClickHouse's windowFunnel tells no times, and takes one event for two steps. Here the events of an actor are
-- arrays, in the order that lists show them in, and each step is worked out for all of them at once (funnel_first,
-- funnel_next): a walk from event to event costs ten times as much. Who never takes the first step is left out.
-- Actors are told apart by a hash: by their text they take longer.
-- Parameters: project String; start, end DateTime64(3) UTC, half-open; kinds Array(UInt8); those of steps, exclusions,
--     value and filters; window_ms Int64; rows, offset UInt64: of values.
-- Marks: marks: of an event, for each step a bit where it takes it, and one where it ends the ways that have just taken
--     it; walked: the select of the last step; number: of that.
-- Columns: value String; found Array(Tuple): step, count Float64, weighted, median_ms Int64, from the step before: the
--     smallest that half of the weighted actors did not exceed. The values with the most at the first step come first.
with actors as
(
    select weight, value, seen.1 as times, seen.3 as marks
    from
    (
        select
            min(1 / sample_rate) as weight, {{value}} as value,
            arraySort(groupArray((toUnixTimestamp64Milli(at), event_id, ({{marks}})::UInt32))) as seen
        from events
        where project = {project:String} and at >= {start:DateTime64(3, 'UTC')} and at < {end:DateTime64(3, 'UTC')}
            and (bot != '') in {kinds:Array(UInt8)} and {{is_known}} and {{event_fits}} and ({{any_hit}})
        group by {{actor}}
        having max({{first_fits}}) = 1
    )
)
select value, groupArray((step, count, median_ms)) as found
from
(
    select
        value, found.1 as step, sum(weight) as count,
        quantileExactWeighted(0.5)(found.2, toUInt64(round(1000 * weight))) as median_ms
    from (select weight, value, arrayJoin(arrayZip(arrayEnumerate(tooks_{{number}}), tooks_{{number}})) as found from ({{walked}}))
    where found.2 >= 0
    group by value, step
)
group by value
order by round(sumIf(count, step = 1), 6) desc, value
limit {rows:UInt64} offset {offset:UInt64}
