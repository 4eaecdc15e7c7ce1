CREATE TABLE elsewhere (
    origin   TEXT NOT NULL,           -- another journal of the till: an older epoch
    original INTEGER NOT NULL,        -- index of the entry there that is spoken of
    by       INTEGER NOT NULL,        -- index of the entry here that speaks of it
    kind     INTEGER NOT NULL,        -- of the latter
    PRIMARY KEY (origin, original, by)
) STRICT, WITHOUT ROWID;
