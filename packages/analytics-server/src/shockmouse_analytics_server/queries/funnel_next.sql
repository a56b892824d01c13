-- funnel_next: a further step of funnel, for each event of an actor: who stood at the step before, and in time, takes it.
-- Why: a newer way replaces an older one, as it has more of the window left; an event is one step of a way at most.
-- Marks: walked: the steps before; number, before: of this step and of the one before; hit: the step's bit; ended: whether
--     an event ends the ways that stand at the step before; ends: those that have just taken this one.
-- Columns: those of funnel_first with this step's number.
select
    weight, value, times, marks,
    arrayMap((at, mark, start) -> multiIf(
        bitTest(mark, {{hit}}) and start >= 0 and at - start <= {window_ms:Int64} and not {{ended}}, start,
        {{ends}}, toInt64(-1), toInt64(-2)),
        times, marks, arrayPushFront(arrayPopBack(starts_{{before}}), toInt64(-1))) as tried_{{number}},
    arrayFill(start -> start != -2, tried_{{number}}) as starts_{{number}},
    arrayFirstIndex(start -> start >= 0, tried_{{number}}) as first_{{number}},
    arrayPushBack(tooks_{{before}}, if(first_{{number}} = 0, toInt64(-1), times[first_{{number}}] - times[
        arrayLastIndex(start -> start >= 0, arraySlice(tried_{{before}}, 1, first_{{number}} - 1))])) as tooks_{{number}}
from ({{walked}})
