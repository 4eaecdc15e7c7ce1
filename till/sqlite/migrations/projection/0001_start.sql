CREATE TABLE cursor (
    one    INTEGER PRIMARY KEY CHECK (one = 1),
    origin TEXT NOT NULL,
    next   INTEGER NOT NULL,          -- first index that is not here yet
    leaf   BLOB NOT NULL              -- leaf hash of the entry before it
) STRICT;

CREATE TABLE entry (
    idx    INTEGER PRIMARY KEY,
    at     INTEGER NOT NULL,          -- ms since 1970 UTC
    kind   INTEGER NOT NULL,
    person TEXT NOT NULL,
    number INTEGER NOT NULL,
    amount INTEGER,
    words  TEXT NOT NULL,
    text   TEXT NOT NULL              -- what is searched, in lower case
) STRICT;
CREATE INDEX entry_kind ON entry (kind, idx);

CREATE TABLE receipt (
    series INTEGER NOT NULL,          -- 0 real, 1 training
    number INTEGER NOT NULL,
    idx    INTEGER NOT NULL UNIQUE,
    at     INTEGER NOT NULL,
    kind   INTEGER NOT NULL,
    person TEXT NOT NULL,
    total  INTEGER NOT NULL,
    lines  INTEGER NOT NULL,
    text   TEXT NOT NULL,
    PRIMARY KEY (series, number)
) STRICT;

CREATE TABLE refer (
    original INTEGER NOT NULL,        -- index of the entry that is spoken of
    by       INTEGER NOT NULL,        -- index of the entry that speaks of it
    kind     INTEGER NOT NULL,        -- of the latter
    PRIMARY KEY (original, by)
) STRICT, WITHOUT ROWID;

CREATE TABLE z (
    number INTEGER PRIMARY KEY,
    idx    INTEGER NOT NULL,
    at     INTEGER NOT NULL,
    total  INTEGER NOT NULL
) STRICT;
