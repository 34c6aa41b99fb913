-- Who may do what: market_owner (runs these files) owns everything, market_loader is Airflow's and writes rows
-- but changes no structure, market_reader is the user's and reads. Nobody else has anything.
DO $$ BEGIN
    EXECUTE format('REVOKE ALL ON DATABASE %I FROM PUBLIC', current_database());
    EXECUTE format('GRANT CONNECT ON DATABASE %I TO market_loader, market_reader', current_database());
    -- COPY goes through a temporary table
    EXECUTE format('GRANT TEMPORARY ON DATABASE %I TO market_loader', current_database());
END $$;

REVOKE ALL ON SCHEMA public FROM PUBLIC;


ALTER DEFAULT PRIVILEGES REVOKE ALL ON FUNCTIONS FROM PUBLIC;

GRANT USAGE ON SCHEMA public, store TO market_loader, market_reader;

GRANT SELECT ON ALL TABLES IN SCHEMA public, store TO market_loader, market_reader;


GRANT INSERT, UPDATE, DELETE ON ALL TABLES IN SCHEMA store TO market_loader;

ALTER DEFAULT PRIVILEGES IN SCHEMA public, store GRANT SELECT ON TABLES TO market_loader, market_reader;

ALTER DEFAULT PRIVILEGES IN SCHEMA public, store GRANT EXECUTE ON FUNCTIONS TO market_loader, market_reader;

ALTER DEFAULT PRIVILEGES IN SCHEMA store GRANT INSERT, UPDATE, DELETE ON TABLES TO market_loader;
