-- What drops the views and functions that the files of views made when they were last applied. Grain: one each, what rests on
-- others first. Reads only.
SELECT 'DROP ' || made.object AS statement
FROM public.schema_migration m CROSS JOIN LATERAL unnest(m.objects) WITH ORDINALITY AS made(object, place)
WHERE m.name = %(name)s
ORDER BY made.place
