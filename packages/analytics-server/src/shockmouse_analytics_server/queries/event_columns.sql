-- event_columns: an event as answered. The table is named, so that its columns are meant, not these.
-- Columns: times in milliseconds since 1970, UTC; what is unknown is empty; free-form objects as JSON, context as its text.
toUnixTimestamp64Milli(events.at) as at_ms, events.event_id as event_id, type, name,
session_id, toUnixTimestamp64Milli(session_started) as session_started_at_ms, device_id, user_id,
privacy, sample_rate, bot, time_flag, timestamp,
toUnixTimestamp64Milli(events.sent_at) as sent_at_ms, toUnixTimestamp64Milli(events.received_at) as received_at_ms,
url, host, path, title, referrer, referrer_host, utm_source, utm_medium, utm_campaign, utm_term, utm_content,
country, browser, browser_version, os, os_version, device_type, screen, locale, timezone,
app_name, app_version, library_name, library_version, user_agent, ip, fingerprint_hash, fingerprint,
boot_id, seq, events.batch_id as batch_id, user_properties, properties, context
