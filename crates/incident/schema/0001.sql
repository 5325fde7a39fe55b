-- The record, version 1. `event` is the truth; `head` is its seal, kept apart so that a cut-off tail is noticed.
-- `finding`, `incident`, `plan`, `plan_step` and `message` are indices: each is a function of the events alone, and
-- `verify` rebuilds and compares them. `receiver` and `dead_letter` are the state of deliveries, not evidence.

CREATE TABLE about (
    only INTEGER PRIMARY KEY CHECK (only = 1),
    chain_id TEXT NOT NULL
) STRICT;

CREATE TABLE head (
    only INTEGER PRIMARY KEY CHECK (only = 1),
    count INTEGER NOT NULL,
    hash BLOB NOT NULL
) STRICT;

CREATE TABLE checkpoint (
    only INTEGER PRIMARY KEY CHECK (only = 1),
    number INTEGER NOT NULL,
    hash BLOB NOT NULL,
    seal BLOB NOT NULL
) STRICT;

CREATE TABLE event (
    sequence INTEGER PRIMARY KEY,
    at INTEGER NOT NULL,
    incident TEXT,
    body TEXT NOT NULL,
    previous BLOB NOT NULL,
    hash BLOB NOT NULL
) STRICT;
CREATE INDEX event_of_incident ON event (incident, sequence) WHERE incident IS NOT NULL;

CREATE TRIGGER event_is_never_changed BEFORE UPDATE ON event
BEGIN SELECT RAISE(ABORT, 'events are never changed'); END;
CREATE TRIGGER event_is_never_deleted BEFORE DELETE ON event
BEGIN SELECT RAISE(ABORT, 'events are never deleted'); END;
-- Also keeps `INSERT OR REPLACE` out, which deletes without firing the trigger above.
CREATE TRIGGER event_is_only_appended BEFORE INSERT ON event
WHEN NEW.sequence <> (SELECT count FROM head) + 1
BEGIN SELECT RAISE(ABORT, 'events are only appended'); END;

CREATE TABLE incident (
    id TEXT PRIMARY KEY,
    state TEXT NOT NULL,
    withdrawn INTEGER NOT NULL,
    opened_at INTEGER NOT NULL,
    closed_at INTEGER,
    sequence INTEGER NOT NULL REFERENCES event (sequence)
) STRICT;

CREATE TABLE finding (
    id BLOB NOT NULL,
    block BLOB NOT NULL, -- hash of the block; empty for a pending transaction
    incident TEXT REFERENCES incident (id),
    level TEXT NOT NULL,
    module TEXT NOT NULL,
    subject BLOB NOT NULL, -- hash of the transaction
    sender TEXT,
    at INTEGER NOT NULL,
    standing INTEGER NOT NULL,
    sequence INTEGER NOT NULL REFERENCES event (sequence),
    PRIMARY KEY (id, block)
) STRICT, WITHOUT ROWID;
CREATE INDEX finding_by_block ON finding (block, sequence);
CREATE INDEX finding_of_incident ON finding (incident) WHERE incident IS NOT NULL;
CREATE INDEX finding_by_subject ON finding (subject, sequence) WHERE incident IS NOT NULL;
CREATE INDEX finding_by_module ON finding (module, sequence) WHERE incident IS NOT NULL;
CREATE INDEX finding_by_sender ON finding (sender, sequence) WHERE incident IS NOT NULL AND sender IS NOT NULL;

CREATE TABLE plan (
    id BLOB PRIMARY KEY,
    incident TEXT NOT NULL REFERENCES incident (id),
    lever TEXT NOT NULL,
    step TEXT NOT NULL,
    last_sent_at INTEGER,
    sequence INTEGER NOT NULL REFERENCES event (sequence)
) STRICT;
CREATE INDEX plan_of_incident ON plan (incident);
CREATE INDEX plan_by_lever ON plan (lever, last_sent_at) WHERE last_sent_at IS NOT NULL;

CREATE TABLE plan_step (
    sequence INTEGER PRIMARY KEY REFERENCES event (sequence),
    plan BLOB NOT NULL REFERENCES plan (id)
) STRICT;
CREATE INDEX plan_step_of_plan ON plan_step (plan, sequence);

CREATE TABLE message (
    sequence INTEGER PRIMARY KEY REFERENCES event (sequence),
    key TEXT NOT NULL UNIQUE
) STRICT;

CREATE TABLE receiver (
    name TEXT PRIMARY KEY,
    delivered_through INTEGER NOT NULL,
    alerted INTEGER NOT NULL
) STRICT;

CREATE TABLE dead_letter (
    receiver TEXT NOT NULL REFERENCES receiver (name),
    sequence INTEGER NOT NULL REFERENCES message (sequence),
    at INTEGER NOT NULL,
    reason TEXT NOT NULL,
    PRIMARY KEY (receiver, sequence)
) STRICT, WITHOUT ROWID;
