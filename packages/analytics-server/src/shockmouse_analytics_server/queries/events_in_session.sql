-- events_in_session: a condition on events: their session fits.
-- Parameters: those of the session source and of the filters.
(toDate(session_started), device_id, session_id) in
(
    select start_day, device_id, session_id from ({{sessions}}) where {{fits}}
)
