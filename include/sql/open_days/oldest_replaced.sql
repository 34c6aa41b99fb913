-- The oldest day before a day whose live minutes closed days have taken the place of; NULL where there is none. Grain: the database.
-- Reads only. Parameters: before.
SELECT min(day) AS day FROM store.replaced_open_day WHERE day < %(before)s
