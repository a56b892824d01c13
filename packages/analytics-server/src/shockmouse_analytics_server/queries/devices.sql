-- devices: chosen devices as answered, newest first.
-- Parameters: project String; kinds Array(UInt8); those of what chooses the devices.
-- Columns: device_id String; times in milliseconds since 1970; counts as stored; the latest agent, user and fingerprint.
select
    device_id, argMaxIfMerge(devices.user_id) as user_id,
    toUnixTimestamp64Milli(min(devices.first_seen)) as first_seen_at_ms,
    toUnixTimestamp64Milli(max(devices.last_seen)) as last_seen_at_ms,
    sum(devices.events) as events, sum(devices.page_views) as pageviews, (max(is_bot) = 1)::Bool as bot,
    (argMaxMerge(devices.agent) as latest).country as country, latest.browser as browser,
    latest.browser_version as browser_version, latest.os as os, latest.os_version as os_version,
    latest.device_type as device_type, latest.screen as screen, latest.locale as locale,
    latest.timezone as timezone, latest.app_version as app_version, latest.privacy as privacy,
    (argMaxIfMerge(devices.fingerprint) as print).hash as fingerprint_hash, print.signals as fingerprint_signals
from devices
where project = {project:String} and is_bot in {kinds:Array(UInt8)} and device_id in ({{chosen}})
group by device_id
order by first_seen_at_ms desc, device_id desc
