-- export_part: of a slice that is too large, because so much happened at one moment, some of its rows.
-- Parameters: skipped, rows UInt64.
limit {skipped:UInt64}, {rows:UInt64}
