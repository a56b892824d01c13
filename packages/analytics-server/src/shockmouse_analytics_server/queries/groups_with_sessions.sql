-- groups_with_sessions: groups of events with what is known of their whole sessions.
-- Parameters: those of the groups and of the session source.
-- Columns: those of every source of groups.
select
    value, start_day, device_id, session_id, groups.weight as weight, weighted_events, weighted_pageviews,
    found.views as views, found.actions as actions, found.started as started, found.ended as ended
from ({{groups}}) as groups
inner join ({{sessions}}) as found using (start_day, device_id, session_id)
