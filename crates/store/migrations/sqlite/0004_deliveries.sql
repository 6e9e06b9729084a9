-- The ways out for notices, and what goes out over them.

-- `target` is the address of a webhook, or a JSON list of e-mail addresses; `kinds` is a JSON list, or NULL for every
-- kind. `sealed` holds the signing secrets of a webhook, and nothing for e-mail. `failing_since` and `failing_told` are
-- figures that no seal covers: what they say decides about nothing.
CREATE TABLE notice_channel (
    id TEXT NOT NULL PRIMARY KEY,
    organization TEXT NOT NULL,
    name TEXT NOT NULL,
    way TEXT NOT NULL,
    target TEXT NOT NULL,
    kinds TEXT,
    active INTEGER NOT NULL,
    created_at INTEGER NOT NULL,
    created_by TEXT NOT NULL,
    previous_until INTEGER,
    version INTEGER NOT NULL,
    sealed BLOB NOT NULL,
    failing_since INTEGER,
    failing_told INTEGER NOT NULL DEFAULT 0
) STRICT;
CREATE INDEX notice_channel_organization ON notice_channel (organization, id);

-- A notice on its way over a channel. While `claimed_until` is ahead, some replica sends it; `tries` tells its claim from
-- a later one.
CREATE TABLE delivery (
    channel TEXT NOT NULL,
    notice TEXT NOT NULL,
    state TEXT NOT NULL,
    created_at INTEGER NOT NULL,
    due_at INTEGER NOT NULL,
    claimed_until INTEGER NOT NULL,
    tries INTEGER NOT NULL,
    tried_at INTEGER,
    outcome TEXT NOT NULL,
    PRIMARY KEY (channel, notice)
) STRICT;
CREATE INDEX delivery_due ON delivery (state, due_at);
CREATE INDEX delivery_age ON delivery (created_at);
