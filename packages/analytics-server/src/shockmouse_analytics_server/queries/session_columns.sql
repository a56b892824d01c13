-- session_columns: a session as answered, of any session source.
-- Columns: times in milliseconds since 1970; counts of events as stored; what is unknown is empty.
session_id, device_id, user_id, start_day,
toUnixTimestamp64Milli(started) as started_at_ms, toUnixTimestamp64Milli(ended) as ended_at_ms,
(toUnixTimestamp64Milli(ended) - toUnixTimestamp64Milli(started)) / 1000 as duration_seconds,
(is_bot = 1)::Bool as bot, (views = 1 and actions = 0)::Bool as bounce,
views as pageviews, events,
entry.host as host, entry.path as entry_path, exit_path, entry.referrer_host as referrer_host,
entry.utm_source as utm_source, entry.utm_medium as utm_medium, entry.utm_campaign as utm_campaign,
entry.utm_term as utm_term, entry.utm_content as utm_content,
agent.country as country, agent.browser as browser, agent.os as os, agent.device_type as device_type,
pages as page_events, screens as screen_events, tracks as track_events, clicks as click_events, forms as form_events,
performances as performance_events, errors as error_events, identifies as identify_events, groups as group_events,
aliases as alias_events, consents as consent_events
