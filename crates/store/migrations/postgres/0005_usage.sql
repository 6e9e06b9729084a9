-- Calls of one hour with the keys of products whose reports tell of them: what was called, how it was answered, and by
-- which program. Figures for people; no verdict reads them.
CREATE TABLE usage_call (
    key_id TEXT COLLATE "C" NOT NULL,
    hour BIGINT NOT NULL,
    verb TEXT COLLATE "C" NOT NULL,
    path TEXT COLLATE "C" NOT NULL,
    status BIGINT NOT NULL,
    agent TEXT COLLATE "C" NOT NULL,
    uses BIGINT NOT NULL,
    PRIMARY KEY (key_id, hour, verb, path, status, agent)
);
CREATE INDEX usage_call_age ON usage_call (hour);
