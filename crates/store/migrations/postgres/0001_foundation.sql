-- What the whole database says about itself.
CREATE TABLE meta (
    name  TEXT COLLATE "C" NOT NULL PRIMARY KEY,
    value TEXT COLLATE "C" NOT NULL
);

-- One row, locked last by every change: it gives the change its number in the feed and the audit
-- event its place in the chain, so that the order of numbers is the order of commits.
CREATE TABLE feed_head (
    one        BIGINT NOT NULL PRIMARY KEY CHECK (one = 1),
    number     BIGINT NOT NULL,
    audit_seq  BIGINT NOT NULL,
    audit_hash BYTEA NOT NULL
);

INSERT INTO feed_head (one, number, audit_seq, audit_hash) VALUES (1, 0, 0, decode(repeat('00', 32), 'hex'));
