-- The ways out for notices, and what goes out over them.

-- `target` is the address of a webhook, or a JSON list of e-mail addresses; `kinds` is a JSON list, or NULL for every
-- kind. `sealed` holds the signing secrets of a webhook, and nothing for e-mail. `failing_since` and `failing_told` are
-- figures that no seal covers: what they say decides about nothing.
CREATE TABLE notice_channel (
    id TEXT COLLATE "C" NOT NULL PRIMARY KEY,
    organization TEXT COLLATE "C" NOT NULL,
    name TEXT COLLATE "C" NOT NULL,
    way TEXT COLLATE "C" NOT NULL,
    target TEXT COLLATE "C" NOT NULL,
    kinds TEXT COLLATE "C",
    active BIGINT NOT NULL,
    created_at BIGINT NOT NULL,
    created_by TEXT COLLATE "C" NOT NULL,
    previous_until BIGINT,
    version BIGINT NOT NULL,
    sealed BYTEA NOT NULL,
    failing_since BIGINT,
    failing_told BIGINT NOT NULL DEFAULT 0
);
CREATE INDEX notice_channel_organization ON notice_channel (organization, id);

-- A notice on its way over a channel. While `claimed_until` is ahead, some replica sends it; `tries` tells its claim from
-- a later one.
CREATE TABLE delivery (
    channel TEXT COLLATE "C" NOT NULL,
    notice TEXT COLLATE "C" NOT NULL,
    state TEXT COLLATE "C" NOT NULL,
    created_at BIGINT NOT NULL,
    due_at BIGINT NOT NULL,
    claimed_until BIGINT NOT NULL,
    tries BIGINT NOT NULL,
    tried_at BIGINT,
    outcome TEXT COLLATE "C" NOT NULL,
    PRIMARY KEY (channel, notice)
);
CREATE INDEX delivery_due ON delivery (state, due_at);
CREATE INDEX delivery_age ON delivery (created_at);
