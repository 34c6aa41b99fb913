-- Keeps what was decided on of the chart's minutes of open days: the minutes that passed are shown from this validation on, and those that
-- did not are not asked about again, until the chart or what they were compared with says otherwise. A chart that was told again since is
-- left to the next validation. Grain: index, day. May run twice.
-- Parameters: index_names, tss, chart_version_ids, compared_withs and is_held, in step; validation_id (of the perpetual's minutes).
INSERT INTO store.charted_index (index_name, day, validation_id, is_held, minutes, prices, compared_with)
SELECT k.index_name, k.day, %(validation_id)s, k.is_held, array_agg(k.minute ORDER BY k.minute),
       array_agg(c.price[k.minute + 1] ORDER BY k.minute), array_agg(k.compared_with ORDER BY k.minute)
FROM (SELECT u.index_name, (u.ts AT TIME ZONE 'UTC')::date AS day, store.minute_of(u.ts)::smallint AS minute, u.chart_version_id,
             u.compared_with, u.is_held
      FROM unnest(%(index_names)s::text[], %(tss)s::timestamptz[], %(chart_version_ids)s::bigint[], %(compared_withs)s::bigint[],
                  %(is_held)s::boolean[]) AS u(index_name, ts, chart_version_id, compared_with, is_held)) AS k
JOIN store.index_chart_day c ON c.index_name = k.index_name AND c.day = k.day AND c.version_id = k.chart_version_id
GROUP BY k.index_name, k.day, k.is_held
ON CONFLICT DO NOTHING
