-- events_by_week_hour: events by weekday and hour of a zone's clock.
-- Parameters: those of the source of events; zone String, IANA name.
-- Columns: weekday UInt8, 1 is Monday; hour UInt8; events Float64, weighted.
select
    toDayOfWeek(fromUnixTimestamp64Milli(at_ms, 'UTC'), 0, {zone:String}) as weekday,
    toHour(fromUnixTimestamp64Milli(at_ms, 'UTC'), {zone:String}) as hour,
    sum(seen_events) as events
from ({{events}})
group by weekday, hour
order by weekday, hour
