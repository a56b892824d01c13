-- sessions: the sessions that began in a range, newest first, after a given one.
-- Why: the page is chosen first; merging pages, agents and users of every session of the range takes five times longer.
-- Parameters: those of the session source and of the filters; start, end DateTime64(3) UTC, half-open;
--     after_ms Int64, after_day Date, after_device, after_session String: what the page before ended with; rows UInt64.
-- Columns: session_columns.
select {{session_columns}}
from ({{sessions}})
where (start_day, device_id, session_id) in
(
    select start_day, device_id, session_id
    from ({{sessions}})
    where started >= {start:DateTime64(3, 'UTC')} and started < {end:DateTime64(3, 'UTC')} and {{session_fits}}
        and (toUnixTimestamp64Milli(started), start_day, device_id, session_id)
            < ({after_ms:Int64}, {after_day:Date}, {after_device:String}, {after_session:String})
    order by started desc, start_day desc, device_id desc, session_id desc
    limit {rows:UInt64}
)
order by started desc, start_day desc, device_id desc, session_id desc
