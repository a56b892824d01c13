-- groups_of_sessions: the sessions that began in a range, with their value and all their events.
-- Parameters: those of the session source and of the filters; start, end DateTime64(3) UTC, half-open.
-- Columns: those of every source of groups.
select
    {{value}} as value, start_day, device_id, session_id, weight, weight * events as weighted_events,
    weight * views as weighted_pageviews, views, actions, started, ended
from ({{sessions}})
where started >= {start:DateTime64(3, 'UTC')} and started < {end:DateTime64(3, 'UTC')} and {{session_fits}}
