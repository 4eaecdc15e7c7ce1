-- How far the changes of the log beside this file (vault.db-redo) are in here.
CREATE TABLE redo (
    one     INTEGER PRIMARY KEY CHECK (one = 1),
    session INTEGER NOT NULL,
    number  INTEGER NOT NULL
) STRICT;
INSERT INTO redo (one, session, number) VALUES (1, 0, 0);

-- Answers are found by their command alone: one tree instead of two.
CREATE TABLE answer_by_command (
    command TEXT PRIMARY KEY,
    at      INTEGER NOT NULL,
    body    BLOB NOT NULL
) STRICT, WITHOUT ROWID;
INSERT INTO answer_by_command (command, at, body) SELECT command, at, body FROM answer;
DROP TABLE answer;
ALTER TABLE answer_by_command RENAME TO answer;
CREATE INDEX answer_at ON answer (at);
