-- vitals: percentiles of the values of performance events, by name and by the value of a dimension, the most events first.
-- Why: a percentile is the smallest value that at least so many of the weighted events do not exceed. Weights are counted
-- in thousandths, as the function wants whole numbers.
-- Parameters: project String; start, end DateTime64(3) UTC, half-open; kinds Array(UInt8); those of value and filters;
--     rows, offset UInt64.
-- Columns: name, value String; events Float64, weighted; percentiles Array(Float64): p50, p75, p95, p99.
select
    name, value, sum(1 / sample_rate) as events,
    quantilesExactWeighted(0.5, 0.75, 0.95, 0.99)(measured, toUInt64(round(1000 / sample_rate))) as percentiles
from
(
    select
        name, {{value}} as value, sample_rate,
        toFloat64OrNull(ifNull(nullIf(toString(properties.value), ''), toString(properties.duration_ms))) as measured
    from events
    where project = {project:String} and at >= {start:DateTime64(3, 'UTC')} and at < {end:DateTime64(3, 'UTC')}
        and (bot != '') in {kinds:Array(UInt8)} and type = 'performance' and {{event_fits}}
)
where isFinite(ifNull(measured, nan))
group by name, value
order by round(events, 6) desc, name, value
limit {rows:UInt64} offset {offset:UInt64}
