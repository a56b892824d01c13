-- vitals_rolled_up: percentiles of performance events, by name and value of a dimension; whole days from the rollup.
-- Why: see vitals. A step of the rollup's histogram stands for its middle, within 1 % of every value in it.
-- Parameters: those of vitals; dimension String; inner_start, inner_end Date, UTC: the whole days within. The mark
--     hours is nothing where the range is whole days.
-- Columns: those of vitals; seen Float64: all events, of all rows.
select
    name, value, sum(weight) as events,
    quantilesExactWeighted(0.5, 0.75, 0.95, 0.99)(measured, toUInt64(round(1000 * weight))) as percentiles,
    sum(events) over () as seen
from
(
    select
        name, value, measures_by_value.events as weight,
        sign(step) * if(step = 0, 0, 0.000001 * 2 * pow(1.02, abs(step)) / 2.02) as measured
    from measures_by_value
    where project = {project:String} and dimension = {dimension:String}
        and day >= {inner_start:Date} and day < {inner_end:Date} and is_bot in {kinds:Array(UInt8)}
    {{hours}}
)
group by name, value
order by round(events, 6) desc, name, value
limit {rows:UInt64} offset {offset:UInt64}
