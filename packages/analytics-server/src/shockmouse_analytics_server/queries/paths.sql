-- paths: the steps just after, or just before, those that are asked about, the most frequent first.
-- Why: a step's neighbour may lie outside of the range, but never outside of its session: so sessions with an anchor are
-- read with two days around. Pages and screens are steps by path; tracks, clicks and forms by name; nothing else is one.
-- Parameters: project String; start, end DateTime64(3) UTC, half-open; sessions_start, sessions_end DateTime64(3) UTC;
--     kinds Array(UInt8); those of the anchor and the filters; is_next UInt8: after, else before; steps Array(String):
--     the kinds that a step may have, the empty one among them; others are passed over; rows UInt64.
-- Columns: kind String: page, event, or empty where the session ends or begins; step String; types Array(String): of the
--     events that took it, sorted; count Float64, weighted; total Float64, of all rows.
select kind, step, arraySort(groupUniqArray(type)) as types, sum(weight) as count, sum(count) over () as total
from
(
    select
        weight, arrayJoin(arrayFilter((neighbour, walked) -> walked.4 = 1, neighbours, walk)).3 as found,
        found.1 as kind, found.2 as step, found.3 as type
    from
    (
        select
            min(1 / sample_rate) as weight,
            arraySort(groupArray((
                toUnixTimestamp64Milli(at), event_id,
                if(type in ('page', 'screen'), ('page', path::String, type::String), ('event', name::String, type::String)),
                toUInt8(at >= {start:DateTime64(3, 'UTC')} and at < {end:DateTime64(3, 'UTC')}
                    and {{anchor}} and {{event_fits}})))) as walk,
            (toInt64(0), toUUID('00000000-0000-0000-0000-000000000000'), ('', '', ''), toUInt8(0)) as nothing,
            if({is_next:UInt8} = 1,
                arrayReverseFill(step -> has({steps:Array(String)}, step.3.1), arrayPushBack(arrayPopFront(walk), nothing)),
                arrayFill(step -> has({steps:Array(String)}, step.3.1), arrayPushFront(arrayPopBack(walk), nothing))
            ) as neighbours
        from events
        where project = {project:String}
            and at >= {sessions_start:DateTime64(3, 'UTC')} and at < {sessions_end:DateTime64(3, 'UTC')}
            and (bot != '') in {kinds:Array(UInt8)} and type in ('page', 'screen', 'track', 'click', 'form')
            and session_hash in
            (
                select session_hash
                from events
                where project = {project:String}
                    and at >= {start:DateTime64(3, 'UTC')} and at < {end:DateTime64(3, 'UTC')}
                    and (bot != '') in {kinds:Array(UInt8)} and {{anchor}} and {{event_fits}}
            )
        group by session_hash
    )
)
group by kind, step
order by round(count, 6) desc, kind, step
limit {rows:UInt64}
