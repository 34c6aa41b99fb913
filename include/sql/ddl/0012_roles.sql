-- Who may do what: market_owner (runs these files) owns everything, market_loader is Airflow's and writes rows
-- but changes no structure, market_reader is the user's and reads.
REVOKE ALL ON SCHEMA public FROM PUBLIC;
GRANT USAGE ON SCHEMA public, store TO market_loader, market_reader;
GRANT SELECT ON ALL TABLES IN SCHEMA public, store TO market_loader, market_reader;
GRANT INSERT, UPDATE, DELETE ON ALL TABLES IN SCHEMA store TO market_loader;
ALTER DEFAULT PRIVILEGES IN SCHEMA public, store GRANT SELECT ON TABLES TO market_loader, market_reader;
ALTER DEFAULT PRIVILEGES IN SCHEMA store GRANT INSERT, UPDATE, DELETE ON TABLES TO market_loader;
