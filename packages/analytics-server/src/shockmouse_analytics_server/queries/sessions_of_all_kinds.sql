-- sessions_of_all_kinds: the sessions of people and bots together that may have begun in a range, one row each.
-- Why: a session with events of both kinds has two rows in the table and must count once.
-- Parameters: project String; first_day, last_day Date, UTC, inclusive; kinds Array(UInt8).
-- Columns: those of every session source; is_bot is 1 where any event is a bot's.
select
    start_day, device_id, session_id, max(is_bot) as is_bot, min(started) as started, max(ended) as ended,
    min(weight) as weight, sum(events) as events, any(device_hash) as device_hash, sum(views) as views,
    sum(actions) as actions, sum(pages) as pages, sum(screens) as screens,
    sum(tracks) as tracks, sum(clicks) as clicks, sum(forms) as forms, sum(performances) as performances,
    sum(errors) as errors, sum(identifies) as identifies, sum(groups) as groups, sum(aliases) as aliases,
    sum(consents) as consents,
    min(sessions.entry) as entry, max(sessions.exit).path as exit_path, min(sessions.agent) as agent,
    max(sessions.identified).user_id as user_id
from sessions
where project = {project:String} and start_day between {first_day:Date} and {last_day:Date}
    and sessions.is_bot in {kinds:Array(UInt8)}
group by start_day, device_id, session_id
