-- Nobody waits any more for what was waited for. Grain: an incident. May run twice. Parameters: part: what stands of an
-- incident for those who wait.
UPDATE store.incident i
SET stands = array_remove(i.stands, %(part)s::text), resolved_at = CASE WHEN i.stands <@ ARRAY[%(part)s::text] THEN now() END
WHERE i.resolved_at IS NULL AND i.kind = 'wait' AND %(part)s::text = ANY (i.stands)
  AND NOT EXISTS (SELECT FROM store.waiting w WHERE w.awaited = i.dataset AND w.next_at > now() - interval '1 hour')
