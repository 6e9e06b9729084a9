-- Calls of one hour with the keys of products whose reports tell of them: what was called, how it was answered, and by
-- which program. Figures for people; no verdict reads them.
CREATE TABLE usage_call (
    key_id TEXT NOT NULL,
    hour INTEGER NOT NULL,
    verb TEXT NOT NULL,
    path TEXT NOT NULL,
    status INTEGER NOT NULL,
    agent TEXT NOT NULL,
    uses INTEGER NOT NULL,
    PRIMARY KEY (key_id, hour, verb, path, status, agent)
) STRICT;
CREATE INDEX usage_call_age ON usage_call (hour);
