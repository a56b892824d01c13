-- session: one session that began in a range; the latest, where several devices or days used the id.
-- Parameters: those of the session source; start, end DateTime64(3) UTC, half-open; session_id String; device_id
--     String, empty for any device.
-- Columns: session_columns.
select {{session_columns}}
from ({{sessions}})
where started >= {start:DateTime64(3, 'UTC')} and started < {end:DateTime64(3, 'UTC')}
    and session_id = {session_id:String} and (device_id = {device_id:String} or {device_id:String} = '')
order by started desc, start_day desc, device_id desc
limit 1
