-- devices_by_privacy: devices by the privacy mode of their latest event.
-- Parameters: those of the devices.
-- Columns: value String; devices Float64.
select privacy as value, sum(weight) as devices
from ({{devices}})
group by privacy
order by round(devices, 6) desc, value
