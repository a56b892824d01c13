-- funnel: how many devices or users reached each step in order within the window, and how long a step took, by value.
-- Why: each actor's events are walked through once, in the order that lists show them in. The state holds a way to each
-- step: when its first and its last step were, and how long the step took when it was first reached, -1 before. A newer
-- way replaces an older one, as it has more of the window left. ClickHouse's windowFunnel tells no times, and takes one
-- event for two steps. Who never takes the first step is left out before that walk, which costs the most.
-- Parameters: project String; start, end DateTime64(3) UTC, half-open; kinds Array(UInt8); those of steps, exclusions,
--     value and filters; steps UInt8; window_ms Int64; rows, offset UInt64: of values.
-- Marks: hits: for each step 1 where an event takes it, and 2 more where it ends the ways that have just taken it;
--     alive: the ways without those that the event ends.
-- Columns: value String; found Array(Tuple): step, count Float64, weighted, median_ms Int64, from the step before: the
--     smallest that half of the weighted actors did not exceed. The values with the most at the first step come first.
select value, groupArray((step, count, median_ms)) as found
from
(
    select
        value, step, sum(weight) as count,
        quantileExactWeighted(0.5)(took_ms, toUInt64(round(1000 * weight))) as median_ms
    from
    (
        select
            weight, value,
            arrayFold(
                (ways, seen) -> arrayMap(
                    (way, before, hit) -> if(hit % 2 = 1 and before.1 >= 0 and seen.1 - before.1 <= {window_ms:Int64},
                        (before.1, seen.1, if(way.3 >= 0, way.3, seen.1 - before.2)), way),
                    {{alive}}, arrayPushFront(arrayPopBack({{alive}}), (seen.1, seen.1, toInt64(0))), seen.3),
                seen_in_order,
                arrayWithConstant({steps:UInt8}, (toInt64(-1), toInt64(-1), toInt64(-1)))) as reached,
            arrayJoin(arrayZip(arrayEnumerate(reached), reached.3)) as found,
            found.1 as step, found.2 as took_ms
        from
        (
            select
                min(1 / sample_rate) as weight, {{value}} as value,
                arraySort(groupArray((toUnixTimestamp64Milli(at), event_id, [{{hits}}]::Array(UInt8)))) as seen_in_order
            from events
            where project = {project:String} and at >= {start:DateTime64(3, 'UTC')} and at < {end:DateTime64(3, 'UTC')}
                and (bot != '') in {kinds:Array(UInt8)} and {{actor}} != '' and {{event_fits}} and ({{any_hit}})
            group by {{actor}}
            having arrayExists(seen -> seen.3[1] % 2 = 1, seen_in_order)
        )
    )
    where took_ms >= 0
    group by value, step
)
group by value
order by round(sumIf(count, step = 1), 6) desc, value
limit {rows:UInt64} offset {offset:UInt64}
