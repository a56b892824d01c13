-- realtime_pages: the pages seen in a short range, the one with the most visitors first.
-- Parameters: project String; start, end DateTime64(3) UTC, half-open; kinds Array(UInt8); those of the filters; rows UInt64.
-- Columns: path String; visitors, pageviews Float64, weighted.
select path, sum(weight) as visitors, sum(views) as pageviews
from
(
    select path, device_hash, min(1 / sample_rate) as weight, sum(1 / sample_rate) as views
    from events
    where project = {project:String} and at >= {start:DateTime64(3, 'UTC')} and at < {end:DateTime64(3, 'UTC')}
        and (bot != '') in {kinds:Array(UInt8)} and type in ('page', 'screen') and {{event_fits}}
    group by path, device_hash
)
group by path
order by round(visitors, 6) desc, round(pageviews, 6) desc, path
limit {rows:UInt64}
