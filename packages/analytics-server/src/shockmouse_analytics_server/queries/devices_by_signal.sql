-- devices_by_signal: devices by signal and value, the most frequent values of each signal first.
-- Parameters: those of the devices; rows UInt64: values per signal.
-- Columns: signal, value String; devices Float64.
select pair.1 as signal, pair.2 as value, sum(weight) as devices
from (select weight, arrayJoin(signals::Array(Tuple(String, String))) as pair from ({{devices}}))
group by signal, value
order by signal, round(devices, 6) desc, value
limit {rows:UInt64} by signal
limit 10000
