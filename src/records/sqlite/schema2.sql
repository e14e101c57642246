-- Version 2: what follows a call.

ALTER TABLE accounts ADD COLUMN compensated INTEGER NOT NULL DEFAULT 0;
ALTER TABLE accounts ADD COLUMN asked       TEXT    NOT NULL DEFAULT '[]';   -- JSON: questions of the last calls
ALTER TABLE accounts ADD COLUMN round       INTEGER NOT NULL DEFAULT 0;
ALTER TABLE accounts ADD COLUMN disclosed   TEXT    NOT NULL DEFAULT '{}';   -- JSON: datum → time

CREATE TABLE occasions (                   -- each kind counts once a call
    call     TEXT NOT NULL,
    kind     TEXT NOT NULL,
    customer TEXT NOT NULL,
    at       INTEGER NOT NULL,
    PRIMARY KEY (call, kind)
) STRICT, WITHOUT ROWID;

CREATE TABLE jobs (
    id         INTEGER PRIMARY KEY AUTOINCREMENT,
    kind       TEXT NOT NULL,
    state      TEXT NOT NULL,
    customer   TEXT NOT NULL REFERENCES customers (id) ON DELETE CASCADE,
    call       TEXT,
    occasion   TEXT,                       -- what it came from; NULL for a job that came from a job
    profile    TEXT NOT NULL,
    rules      TEXT NOT NULL,              -- JSON: the profile's, as they were
    opened     INTEGER NOT NULL,
    due        INTEGER,
    changed    INTEGER NOT NULL,
    changed_by TEXT NOT NULL,
    detail     TEXT NOT NULL               -- JSON
) STRICT;
CREATE INDEX jobs_due ON jobs (due) WHERE due IS NOT NULL;
CREATE INDEX jobs_by_customer ON jobs (customer, id);
CREATE INDEX jobs_by_call ON jobs (call) WHERE call IS NOT NULL;
CREATE INDEX jobs_by_state ON jobs (state, id);

CREATE TABLE outbox (
    id       TEXT PRIMARY KEY,             -- the idempotency key that receivers see
    place    INTEGER NOT NULL,             -- in the order of enqueuing
    key      TEXT NOT NULL UNIQUE,         -- the same thing is enqueued once
    kind     TEXT NOT NULL,
    payload  TEXT NOT NULL,                -- JSON without numbers, answers and secrets
    enqueued INTEGER NOT NULL,
    next     INTEGER NOT NULL,             -- when to try
    state    TEXT NOT NULL                 -- pending, delivered, conflict
) STRICT, WITHOUT ROWID;
CREATE INDEX outbox_pending ON outbox (next, place) WHERE state = 'pending';
CREATE INDEX outbox_conflict ON outbox (place) WHERE state = 'conflict';
CREATE INDEX outbox_delivered ON outbox (enqueued) WHERE state = 'delivered';

CREATE TABLE deliveries (                  -- one item to one sink
    item      TEXT NOT NULL REFERENCES outbox (id) ON DELETE CASCADE,
    sink      TEXT NOT NULL,
    attempts  INTEGER NOT NULL,
    delivered INTEGER,                     -- when it was
    PRIMARY KEY (item, sink)
) STRICT, WITHOUT ROWID;

CREATE TABLE marks (                       -- verified or not, in each registry of ours
    registry TEXT NOT NULL,
    call     TEXT NOT NULL,
    customer TEXT NOT NULL REFERENCES customers (id) ON DELETE CASCADE,
    mark     TEXT NOT NULL,
    at       INTEGER NOT NULL,
    PRIMARY KEY (registry, call)
) STRICT, WITHOUT ROWID;

CREATE TABLE profiles (                    -- the text of every profile that ever decided
    hash TEXT PRIMARY KEY,
    name TEXT NOT NULL,
    text TEXT NOT NULL
) STRICT, WITHOUT ROWID;

CREATE TABLE letter_codes (                -- one pair a customer, spoken once
    customer TEXT PRIMARY KEY REFERENCES customers (id) ON DELETE CASCADE,
    ours     TEXT NOT NULL,
    theirs   TEXT NOT NULL,
    issued   INTEGER NOT NULL
) STRICT, WITHOUT ROWID;

CREATE TABLE call_references (             -- quoted by customers who ring back
    reference TEXT PRIMARY KEY,
    customer  TEXT NOT NULL REFERENCES customers (id) ON DELETE CASCADE,
    call      TEXT NOT NULL,
    expires   INTEGER NOT NULL
) STRICT, WITHOUT ROWID;
CREATE INDEX call_references_by_end ON call_references (expires);

CREATE INDEX audit_by_call ON audit (json_extract(entry, '$.call'));

CREATE TABLE high_water (id INTEGER PRIMARY KEY CHECK (id = 1), at INTEGER NOT NULL) STRICT;
INSERT INTO high_water VALUES (1, 0);
