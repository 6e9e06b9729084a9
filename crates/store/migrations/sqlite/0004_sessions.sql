-- People who are signed in. `seen_at` is not covered by the MAC: it is written at every look, and decides only that a
-- session ends earlier than it would.
CREATE TABLE session (
    id TEXT NOT NULL PRIMARY KEY,
    person TEXT NOT NULL REFERENCES person (id),
    organization TEXT NOT NULL,
    digest BLOB NOT NULL,
    address TEXT,
    agent TEXT NOT NULL,
    created_at INTEGER NOT NULL,
    proven_at INTEGER NOT NULL,
    seen_at INTEGER NOT NULL,
    version INTEGER NOT NULL,
    mac BLOB NOT NULL
) STRICT;
CREATE INDEX session_person ON session (person, id);
CREATE INDEX session_age ON session (created_at, id);
