-- sessions_of_one_kind: the sessions of people, or of bots, that may have begun in a range, one row each.
-- Why: FINAL is several times faster than grouping again, and exact as long as a session has one row per kind. It takes
--     `exit.path` from any of a session's rows; of the whole tuple it takes the right one.
-- Parameters: project String; first_day, last_day Date, UTC, inclusive; kinds Array(UInt8), of one element.
-- Columns: those of every session source; weight is 1 / sample rate, entry and agent are tuples.
select
    start_day, device_id, session_id, is_bot, started, ended, weight, events,
    device_hash, views, actions, pages, screens, tracks, clicks, forms, performances, errors, identifies, groups, aliases, consents,
    entry, tupleElement(exit, 'path') as exit_path, agent, tupleElement(identified, 'user_id') as user_id
from sessions final
where project = {project:String} and start_day between {first_day:Date} and {last_day:Date}
    and is_bot in {kinds:Array(UInt8)}
