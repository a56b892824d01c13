-- events_in_session: a condition on events: their session fits.
-- Parameters: those of the session source and of the filters.
session_hash in
(
    select sipHash64(start_day, device_id, session_id) from ({{sessions}}) where {{fits}}
)
