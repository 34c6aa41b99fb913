-- That minutes of open days are to be collected, and since which start: one row, or none where they are not (WAREHOUSE_LIVE is 0). So a
-- live that never began is told from one that is not wanted.
CREATE TABLE store.live_start (
    only_one boolean PRIMARY KEY DEFAULT true CHECK (only_one),
    since    timestamptz NOT NULL
);
