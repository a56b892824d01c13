-- devices_in_range: the devices with a session that began in the range.
-- Parameters: project String; kinds Array(UInt8); those of the session source and of the filters; start, end
--     DateTime64(3) UTC, half-open.
-- Columns: device_id String; weight Float64; hash, privacy String; signals Map.
select
    device_id, min(devices.weight) as weight, argMaxMerge(agent).privacy as privacy,
    (argMaxIfMerge(fingerprint) as print).hash as hash, print.signals as signals
from devices
where project = {project:String} and is_bot in {kinds:Array(UInt8)} and device_id in
(
    select device_id from ({{sessions}})
    where started >= {start:DateTime64(3, 'UTC')} and started < {end:DateTime64(3, 'UTC')} and {{session_fits}}
)
group by device_id
