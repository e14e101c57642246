-- Version 1. A later version is a file of its own, applied after this one; this one never changes.
-- Times are milliseconds since 1970-01-01 UTC. Answers and e-mail addresses are personal data.

CREATE TABLE customers (
    id         TEXT PRIMARY KEY,
    keypad_id  TEXT,
    name       TEXT NOT NULL,
    role       TEXT NOT NULL,
    represents TEXT NOT NULL,              -- JSON list of ids
    email      TEXT,
    language   TEXT,
    flags      TEXT NOT NULL               -- JSON list
) STRICT, WITHOUT ROWID;
CREATE INDEX customers_by_keypad ON customers (keypad_id) WHERE keypad_id IS NOT NULL;

CREATE TABLE numbers (
    customer TEXT NOT NULL REFERENCES customers (id) ON DELETE CASCADE,
    place    INTEGER NOT NULL,
    number   TEXT NOT NULL,                -- E.164
    since    INTEGER,
    PRIMARY KEY (customer, place)
) STRICT, WITHOUT ROWID;
CREATE INDEX numbers_by_number ON numbers (number, customer);

CREATE TABLE facts (
    customer TEXT NOT NULL REFERENCES customers (id) ON DELETE CASCADE,
    key      TEXT NOT NULL,
    answer   TEXT NOT NULL,
    PRIMARY KEY (customer, key)
) STRICT, WITHOUT ROWID;

CREATE TABLE secrets (
    customer    TEXT PRIMARY KEY REFERENCES customers (id) ON DELETE CASCADE,
    pin_version INTEGER,                   -- the seven columns of a sealed PIN: all or none
    salt        BLOB,
    pepper_id   TEXT,
    memory_kib  INTEGER,
    iterations  INTEGER,
    nonce       BLOB,
    pair_table  BLOB,
    password    TEXT,                      -- PHC string
    CHECK ((pin_version IS NULL) = (pair_table IS NULL))
) STRICT, WITHOUT ROWID;

CREATE TABLE accounts (
    customer         TEXT PRIMARY KEY REFERENCES customers (id) ON DELETE CASCADE,
    initialized      INTEGER NOT NULL,
    enabled          INTEGER NOT NULL,
    pin_version      INTEGER NOT NULL,
    failed_calls     INTEGER NOT NULL,
    pin_wrong_streak INTEGER NOT NULL,
    blocked          INTEGER NOT NULL,
    reset_required   INTEGER NOT NULL,
    deck             TEXT NOT NULL,        -- JSON
    abandoned        TEXT NOT NULL,        -- JSON list of times
    CHECK (enabled <= initialized)         -- enabled implies initialized
) STRICT, WITHOUT ROWID;

CREATE TABLE attempts (
    id            INTEGER PRIMARY KEY AUTOINCREMENT,
    call          TEXT NOT NULL,
    customer      TEXT NOT NULL REFERENCES customers (id) ON DELETE CASCADE,
    entry         INTEGER NOT NULL,
    last          INTEGER NOT NULL,
    first         INTEGER NOT NULL,
    second        INTEGER NOT NULL,
    pin_version   INTEGER NOT NULL,
    failed_calls  INTEGER NOT NULL,        -- the block rule of the call's policy
    wrong_entries INTEGER NOT NULL,
    reserved_at   INTEGER NOT NULL,
    settled       TEXT,                    -- correct, wrong, void; NULL while the hash is computed
    settled_at    INTEGER
) STRICT;
CREATE INDEX attempts_open ON attempts (customer) WHERE settled IS NULL;
CREATE INDEX attempts_by_call ON attempts (call, customer);

CREATE TABLE call_results (                -- each result counts once a call
    call      TEXT NOT NULL,
    customer  TEXT NOT NULL REFERENCES customers (id) ON DELETE CASCADE,
    failed    INTEGER NOT NULL DEFAULT 0,
    passed    INTEGER NOT NULL DEFAULT 0,
    abandoned INTEGER NOT NULL DEFAULT 0,
    PRIMARY KEY (call, customer)
) STRICT, WITHOUT ROWID;

CREATE TABLE calls (
    id         TEXT PRIMARY KEY,
    started_at INTEGER NOT NULL,
    ended_at   INTEGER,
    customer   TEXT,
    view       TEXT NOT NULL               -- JSON
) STRICT, WITHOUT ROWID;

CREATE TABLE audit (
    number INTEGER PRIMARY KEY,
    entry  TEXT NOT NULL,                  -- JSON
    hash   BLOB NOT NULL
) STRICT;

CREATE TABLE probes (id INTEGER PRIMARY KEY CHECK (id = 1), count INTEGER NOT NULL) STRICT;
INSERT INTO probes VALUES (1, 0);
