-- Deletes a slice of the validations that nothing names any more. Grain: validation. May run twice. Parameters: slice.
DELETE FROM store.validation v USING unnamed_record u WHERE u.slice = %(slice)s AND v.validation_id = u.id
