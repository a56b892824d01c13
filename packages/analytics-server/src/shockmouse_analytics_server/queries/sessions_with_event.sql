-- sessions_with_event: a condition on sessions: at least one of its events fits.
-- Parameters: project String; start, sessions_end DateTime64(3) UTC, half-open; kinds Array(UInt8); those of the filters.
sipHash64(start_day, device_id, session_id) in
(
    select session_hash
    from events
    where project = {project:String}
        and at >= {start:DateTime64(3, 'UTC')} and at < {sessions_end:DateTime64(3, 'UTC')}
        and (bot != '') in {kinds:Array(UInt8)} and {{fits}}
)
