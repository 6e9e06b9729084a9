-- What the whole database says about itself.
CREATE TABLE meta (
    name  TEXT NOT NULL PRIMARY KEY,
    value TEXT NOT NULL
) STRICT;

-- One row, locked last by every change: it gives the change its number in the feed and the audit
-- event its place in the chain, so that the order of numbers is the order of commits.
CREATE TABLE feed_head (
    one        INTEGER NOT NULL PRIMARY KEY CHECK (one = 1),
    number     INTEGER NOT NULL,
    audit_seq  INTEGER NOT NULL,
    audit_hash BLOB NOT NULL
) STRICT;

INSERT INTO feed_head (one, number, audit_seq, audit_hash) VALUES (1, 0, 0, zeroblob(32));
