-- Days whose live minutes were deleted after their closed days had taken their place: at an earlier moment minutes were shown that are
-- gone, so what was published of such a day then can't be asked.
CREATE TABLE store.closed_day (
    day           date   PRIMARY KEY,
    validation_id bigint NOT NULL REFERENCES store.validation  -- since it, closed days, candles and basis, are shown without a break
);

CREATE INDEX ON store.closed_day (validation_id);

-- Of days whose live minutes were deleted before this was kept it is known that they were closed by then.
INSERT INTO store.closed_day (day, validation_id)
SELECT d.day, v.validation_id
FROM (SELECT day, max(compared_at) AS deleted_at FROM store.open_day GROUP BY day) AS d
CROSS JOIN LATERAL (SELECT validation_id FROM store.validation WHERE validated_at <= d.deleted_at
                    ORDER BY validated_at DESC, validation_id DESC LIMIT 1) AS v;

-- When the snapshots of a stretch of time were last thinned: at an earlier moment others were shown that are gone.
ALTER TABLE store.snapshot_beat ADD COLUMN thinned_at timestamptz;

-- Of what was thinned before this was kept it is known that it was so by now.
UPDATE store.snapshot_beat SET thinned_at = now() WHERE seconds = 3600 AND ends < 'infinity';
