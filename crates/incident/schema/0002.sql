-- The record, version 2, on top of version 1: findings are joined to incidents by what ties them, and incidents are
-- rated. All of it is a function of the events alone, and `verify` rebuilds and compares it.

ALTER TABLE incident ADD COLUMN joined TEXT; -- the incident that it became a part of
ALTER TABLE incident ADD COLUMN severity TEXT;
ALTER TABLE incident ADD COLUMN rule TEXT; -- what rated it

ALTER TABLE finding ADD COLUMN detector TEXT NOT NULL DEFAULT '';
ALTER TABLE finding ADD COLUMN stage TEXT NOT NULL DEFAULT 'exploitation';
ALTER TABLE finding ADD COLUMN score INTEGER NOT NULL DEFAULT 1000000000000; -- parts of 10^12
ALTER TABLE finding ADD COLUMN precise INTEGER NOT NULL DEFAULT 0;
ALTER TABLE finding ADD COLUMN severity TEXT NOT NULL DEFAULT 'info';
ALTER TABLE finding ADD COLUMN happened INTEGER NOT NULL DEFAULT 0; -- block time, in milliseconds
ALTER TABLE finding ADD COLUMN lost_bps INTEGER;
ALTER TABLE finding ADD COLUMN harm TEXT; -- canonical JSON, where anything is counted

-- What a finding can share with another: a transaction, an account, a module.
CREATE TABLE tie (
    value BLOB NOT NULL,
    finding BLOB NOT NULL,
    block BLOB NOT NULL,
    PRIMARY KEY (value, finding, block)
) STRICT, WITHOUT ROWID;
CREATE INDEX tie_of_finding ON tie (finding, block);
CREATE INDEX incident_part_of ON incident (joined) WHERE joined IS NOT NULL;
