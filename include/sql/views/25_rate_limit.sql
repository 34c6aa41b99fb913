-- How many seconds of the rush are left at an instant, 0 outside of it: the stretch of each minute from `rush_from` to `rush_to`, in
-- seconds after its beginning (rush_from may be negative), in which other requests may go out than at other times.
CREATE FUNCTION store.left_of_rush("at" timestamptz, rush_from float8, rush_to float8) RETURNS float8
LANGUAGE sql IMMUTABLE STRICT PARALLEL SAFE AS $$
    SELECT greatest(rush_to - rush_from - mod((extract(epoch FROM "at") - rush_from::numeric), 60)::float8, 0)
$$;

-- The first instant from "at" on at which a request may go out, so that no stretch of `seconds` holds more than `most`: when the one
-- `most` before it is `seconds` old, and not before the newest. slots: those given away, oldest first.
CREATE FUNCTION store.free_slot(slots timestamptz[], "at" timestamptz, most integer, seconds float8) RETURNS timestamptz
LANGUAGE sql STABLE PARALLEL SAFE AS $$
    SELECT greatest("at", slots[cardinality(slots)], slots[cardinality(slots) - most + 1] + make_interval(secs => seconds))
$$;

-- The same for a bucket that may send `rush_most` of each `rush_seconds` in the rush: in it by that rule (never, where it is 0, but as
-- soon as the rush is over), else by the usual one. rush_most NULL: there is no rush.
CREATE FUNCTION store.next_slot(slots timestamptz[], "at" timestamptz, most integer, seconds float8,
                                rush_most integer, rush_seconds float8, rush_from float8, rush_to float8) RETURNS timestamptz
LANGUAGE sql STABLE PARALLEL SAFE AS $$
    SELECT CASE WHEN rush_most > 0 AND store.left_of_rush(f.rush, rush_from, rush_to) > 0 THEN f.rush
                WHEN rush_most = 0 THEN f.usual + make_interval(secs => store.left_of_rush(f.usual, rush_from, rush_to))
                ELSE f.usual END
    FROM (SELECT store.free_slot(slots, "at", most, seconds) AS usual, store.free_slot(slots, "at", rush_most, rush_seconds) AS rush) AS f
$$;
