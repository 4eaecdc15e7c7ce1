CREATE TABLE person (
    id     TEXT PRIMARY KEY,
    name   TEXT NOT NULL,
    role   TEXT NOT NULL,
    pin    TEXT NOT NULL,             -- argon2id in PHC form
    active INTEGER NOT NULL
) STRICT;

CREATE TABLE basket (
    id    TEXT PRIMARY KEY,
    open  INTEGER NOT NULL,           -- 1: on the screen, 0: suspended
    label TEXT NOT NULL,
    lines INTEGER NOT NULL,
    total INTEGER NOT NULL,           -- minor units
    at    INTEGER NOT NULL,           -- ms since 1970 UTC
    size  INTEGER NOT NULL,           -- journal size when it was written
    body  BLOB NOT NULL
) STRICT;
CREATE UNIQUE INDEX one_open_basket ON basket (open) WHERE open = 1;

CREATE TABLE session (
    token  BLOB PRIMARY KEY,          -- SHA-256 of the cookie
    person TEXT NOT NULL,
    at     INTEGER NOT NULL,
    locked INTEGER NOT NULL
) STRICT;

CREATE TABLE answer (
    command TEXT PRIMARY KEY,
    at      INTEGER NOT NULL,
    body    BLOB NOT NULL
) STRICT;
CREATE INDEX answer_at ON answer (at);

CREATE TABLE setting (
    key   TEXT PRIMARY KEY,
    value BLOB NOT NULL
) STRICT;

-- Changes that wait for their entry: applied when the entry is durable, dropped when it never was.
CREATE TABLE staged (
    command TEXT PRIMARY KEY,
    size    INTEGER NOT NULL,         -- the entry is at this index or above, or nowhere
    changes BLOB NOT NULL
) STRICT;
