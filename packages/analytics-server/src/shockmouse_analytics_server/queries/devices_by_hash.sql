-- devices_by_hash: devices by their fingerprint's hash, the most shared first.
-- Parameters: those of the devices; rows UInt64.
-- Columns: hash String; devices Float64.
select hash, sum(weight) as devices
from ({{devices}})
where hash != ''
group by hash
order by round(devices, 6) desc, hash
limit {rows:UInt64}
