-- devices_page: which devices a page of the list holds: those with a session that began in the range, after a given one.
-- Why: agents and fingerprints are merged for a page only, not for each device of the range.
-- Parameters: project String; kinds Array(UInt8); those of the session source and of the filters; start, end
--     DateTime64(3) UTC, half-open; after_ms Int64, after_device String; rows UInt64.
-- Columns: device_id String.
select device_id
from devices
where project = {project:String} and is_bot in {kinds:Array(UInt8)} and device_id in
(
    select device_id from ({{sessions}})
    where started >= {start:DateTime64(3, 'UTC')} and started < {end:DateTime64(3, 'UTC')} and {{session_fits}}
)
group by device_id
having (toUnixTimestamp64Milli(min(first_seen)), device_id) < ({after_ms:Int64}, {after_device:String})
order by min(first_seen) desc, device_id desc
limit {rows:UInt64}
