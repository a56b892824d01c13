-- funnel_first: the first step of funnel, for each event of an actor.
-- Marks: ends: whether an event ends the ways that have just taken the step.
-- Columns: those of actors; tried_1, per event: the time where it takes the step, -1 where it ends ways, else -2;
--     starts_1: when the latest way to this step began, negative where none stands; tooks_1: how long each step took when
--     it was first reached, -1 where it was not.
select
    weight, value, times, marks,
    arrayMap((at, mark) -> multiIf(bitTest(mark, 0), at, {{ends}}, toInt64(-1), toInt64(-2)), times, marks) as tried_1,
    arrayFill(start -> start != -2, tried_1) as starts_1, [toInt64(0)] as tooks_1
from actors
