-- Deletes incidents that were over before a moment; not one of whose end nobody was told yet. Grain: an incident. May run twice.
-- Parameters: before.
DELETE FROM store.incident WHERE resolved_at < %(before)s AND told_at IS NOT NULL AND end_told_at IS NOT NULL
