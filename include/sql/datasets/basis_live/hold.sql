-- Holds back pairs of minutes whose basis did not pass, and lets go what was held back and passed now. Of pairs that passed at once nothing
-- is written. It counts from the validation of the leg that completed the pair: before it there was no basis to be shown. Grain: a pair.
-- May run twice. Parameters: the pair's columns and is_held, in step; validation_id (of the legs).
MERGE INTO store.held_basis h
USING (SELECT k.*, int8multirange(int8range(%(validation_id)s, NULL)) AS since
       FROM unnest(%(instrument_ids)s::integer[], %(tss)s::timestamptz[], %(future_version_ids)s::bigint[],
                   %(perpetual_ids)s::integer[], %(perpetual_version_ids)s::bigint[], %(is_held)s::boolean[])
            AS k(instrument_id, ts, future_version_id, perpetual_id, perpetual_version_id, is_held)) AS k
ON (h.instrument_id, h.ts, h.future_version_id, h.perpetual_version_id) = (k.instrument_id, k.ts, k.future_version_id, k.perpetual_version_id)
WHEN MATCHED AND upper_inf(h.held) <> k.is_held THEN
    UPDATE SET held = CASE WHEN k.is_held THEN h.held + k.since ELSE h.held - k.since END
WHEN NOT MATCHED AND k.is_held THEN
    INSERT (instrument_id, ts, future_version_id, perpetual_id, perpetual_version_id, held)
    VALUES (k.instrument_id, k.ts, k.future_version_id, k.perpetual_id, k.perpetual_version_id, k.since)
