-- Version 3: PIN maintenance, and audit lines that can be made unreadable for one person.

CREATE TABLE pin_batches (                 -- print runs of initial PINs
    id      INTEGER PRIMARY KEY AUTOINCREMENT,
    key     BLOB,                          -- under the pepper; NULL once the letters were handed over
    opened  INTEGER NOT NULL,
    closed  INTEGER,
    printed INTEGER
) STRICT;
CREATE UNIQUE INDEX pin_batches_open ON pin_batches ((closed IS NULL)) WHERE closed IS NULL;

CREATE TABLE initial_pins (                -- the newest initial PIN an account was ever given
    customer TEXT PRIMARY KEY REFERENCES customers (id) ON DELETE CASCADE,
    version  INTEGER NOT NULL,
    batch    INTEGER NOT NULL REFERENCES pin_batches (id),
    envelope BLOB NOT NULL,                -- opened by the key of the batch alone; empty once it is spent
    verifier BLOB NOT NULL,                -- a MAC under the pepper; empty once it is spent
    issued   INTEGER NOT NULL,
    expires  INTEGER NOT NULL,
    tries    INTEGER NOT NULL DEFAULT 0,   -- registrations with a wrong one
    spent    INTEGER                       -- when it was used or made void; until then the account is No/No
) STRICT, WITHOUT ROWID;
CREATE INDEX initial_pins_by_batch ON initial_pins (batch, customer);
CREATE INDEX initial_pins_living ON initial_pins (expires, tries, spent) WHERE spent IS NULL;

CREATE TABLE pin_files (                   -- dates and wishes beside the flags
    customer        TEXT PRIMARY KEY REFERENCES customers (id) ON DELETE CASCADE,
    hint            TEXT,
    web_pin         TEXT,                  -- PHC string
    registered      INTEGER,               -- of the PIN that counts now, as the next two
    activated       INTEGER,
    tried_early     INTEGER,
    reset           INTEGER,               -- the last time
    unblock_by      TEXT,
    unblock_asked   INTEGER
) STRICT, WITHOUT ROWID;
CREATE INDEX pin_files_stuck ON pin_files (registered)
    WHERE registered IS NOT NULL AND activated IS NULL;

CREATE TABLE pin_links (
    id          TEXT PRIMARY KEY,          -- the token is computed from it under the pepper
    customer    TEXT NOT NULL REFERENCES customers (id) ON DELETE CASCADE,
    purpose     TEXT NOT NULL,             -- activate, reset
    pin_version INTEGER NOT NULL,
    created     INTEGER NOT NULL,
    expires     INTEGER NOT NULL,
    used        INTEGER,
    void        INTEGER NOT NULL DEFAULT 0,
    mail        TEXT NOT NULL DEFAULT 'waiting',   -- waiting, accepted, refused
    mail_at     INTEGER
) STRICT, WITHOUT ROWID;
CREATE INDEX pin_links_by_customer ON pin_links (customer, created);

CREATE INDEX accounts_by_flags ON accounts (initialized, enabled);
CREATE INDEX accounts_blocked ON accounts (blocked) WHERE blocked;
CREATE INDEX accounts_to_reset ON accounts (reset_required) WHERE reset_required;
CREATE INDEX customers_by_email ON customers (lower(email)) WHERE email IS NOT NULL;

CREATE TABLE repairs (                     -- accounts that came with No/Yes (X22)
    id       INTEGER PRIMARY KEY AUTOINCREMENT,
    customer TEXT NOT NULL,
    at       INTEGER NOT NULL
) STRICT;

CREATE TABLE subjects (                    -- without its key nobody reads a person's audit lines
    customer TEXT PRIMARY KEY,
    subject  TEXT NOT NULL UNIQUE,         -- random; stands for the person in the chain
    key      BLOB NOT NULL
) STRICT, WITHOUT ROWID;
CREATE INDEX audit_by_subject ON audit (json_extract(entry, '$.subject'), number)
    WHERE json_extract(entry, '$.subject') IS NOT NULL;
CREATE INDEX audit_by_customer ON audit (json_extract(entry, '$.customer'), number)
    WHERE json_extract(entry, '$.customer') IS NOT NULL;         -- lines from before
CREATE INDEX calls_by_customer ON calls (customer) WHERE customer IS NOT NULL;
