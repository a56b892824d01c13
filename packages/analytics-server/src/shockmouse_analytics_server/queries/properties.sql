-- properties: the properties of the latest events of a range that fit, by name, the most frequent first.
-- Why: an event stands once under the empty name, too, so that the answer tells how many events were looked at.
-- Parameters: project String; start, end DateTime64(3) UTC, half-open; kinds Array(UInt8); those of the filters;
--     looked_at UInt64: how many events at most.
-- Columns: name String; types, examples Array(String): ClickHouse's names, JSON; stored UInt64; events Float64, weighted.
select
    name, arraySort(groupUniqArray(type_name)) as types, count() as stored, sum(weight) as events,
    arraySort(groupUniqArrayIf(5)(example, example != '' and length(example) <= 200)) as examples
from
(
    select
        weight, kind || replaceAll(found.1, '%2E', '.') as name, found.2 as type_name,
        arrayMap(part -> replaceAll(part, '%2E', '.'), splitByChar('.', found.1)) as keys,
        multiIf(
            length(keys) = 1, JSONExtractRaw(object, keys[1]),
            length(keys) = 2, JSONExtractRaw(object, keys[1], keys[2]),
            length(keys) = 3, JSONExtractRaw(object, keys[1], keys[2], keys[3]),
            length(keys) = 4, JSONExtractRaw(object, keys[1], keys[2], keys[3], keys[4]), '') as example
    from
    (
        select weight, part.1 as kind, part.2 as object, arrayJoin(part.3) as found
        from
        (
            select
                weight, arrayJoin([
                    ('', '', [('', '')]),
                    ('property.', toString(properties), JSONAllPathsWithTypes(properties)::Array(Tuple(String, String))),
                    ('user_property.', toString(user_properties),
                        JSONAllPathsWithTypes(user_properties)::Array(Tuple(String, String)))]) as part
            from
            (
                select 1 / sample_rate as weight, properties, user_properties
                from events
                where project = {project:String}
                    and at >= {start:DateTime64(3, 'UTC')} and at < {end:DateTime64(3, 'UTC')}
                    and (bot != '') in {kinds:Array(UInt8)} and {{event_fits}}
                order by at desc
                limit {looked_at:UInt64}
            )
        )
    )
)
group by name
order by name = '' desc, round(events, 6) desc, name
