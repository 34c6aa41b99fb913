-- Lists of the catalogue that the exchange refused, or sent in a form that can't be read, when they were asked for last: a row a
-- question, as in catalogue_reading, until the list is read. An exchange that is away has refused nothing.
CREATE TABLE store.refused_list (
    currency    text        NOT NULL,
    kind        text        NOT NULL,
    host        text        NOT NULL,
    expired     boolean     NOT NULL,
    refused_at  timestamptz NOT NULL DEFAULT now(),
    cause       text        NOT NULL,
    PRIMARY KEY (currency, kind, host, expired)
);
