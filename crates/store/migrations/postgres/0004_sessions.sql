-- People who are signed in. `seen_at` is not covered by the MAC: it is written at every look, and decides only that a
-- session ends earlier than it would.
CREATE TABLE session (
    id TEXT COLLATE "C" NOT NULL PRIMARY KEY,
    person TEXT COLLATE "C" NOT NULL REFERENCES person (id),
    organization TEXT COLLATE "C" NOT NULL,
    digest BYTEA NOT NULL,
    address TEXT COLLATE "C",
    agent TEXT COLLATE "C" NOT NULL,
    created_at BIGINT NOT NULL,
    proven_at BIGINT NOT NULL,
    seen_at BIGINT NOT NULL,
    version BIGINT NOT NULL,
    mac BYTEA NOT NULL
);
CREATE INDEX session_person ON session (person, id);
CREATE INDEX session_age ON session (created_at, id);
