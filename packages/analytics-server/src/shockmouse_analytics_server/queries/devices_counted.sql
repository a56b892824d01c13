-- devices_counted: devices, and those whose fingerprint's hash others share.
-- Parameters: those of the devices.
-- Columns: devices, devices_with_fingerprint, distinct_hashes, shared_hashes, devices_sharing_a_hash Float64.
select
    sum(together) as devices, sumIf(together, hash != '') as devices_with_fingerprint,
    toFloat64(countIf(hash != '')) as distinct_hashes, toFloat64(countIf(hash != '' and members > 1)) as shared_hashes,
    sumIf(together, hash != '' and members > 1) as devices_sharing_a_hash
from (select hash, count() as members, sum(weight) as together from ({{devices}}) group by hash)
