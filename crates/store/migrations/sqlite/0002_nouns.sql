-- The rows of every noun. The text for the other engine is this one with its own names of the three column types
-- (a test compares them): INTEGER is BIGINT, TEXT is TEXT COLLATE "C", BLOB is BYTEA.
--
-- Times are milliseconds since 1970. `mac` and `sealed` begin with the version of the vault key they were made with.

-- Counts restores: numbers of the feed before one mean nothing after it.
ALTER TABLE feed_head ADD COLUMN epoch INTEGER NOT NULL DEFAULT 1;

CREATE TABLE feed (
    number INTEGER NOT NULL PRIMARY KEY,
    id TEXT NOT NULL,
    at INTEGER NOT NULL,
    subjects TEXT NOT NULL
) STRICT;

CREATE TABLE audit (
    seq INTEGER NOT NULL PRIMARY KEY,
    at INTEGER NOT NULL,
    organization TEXT,
    actor_kind TEXT NOT NULL,
    actor_id TEXT NOT NULL,
    actor_organization TEXT,
    actor_address TEXT,
    actor_request TEXT,
    action TEXT NOT NULL,
    subject_kind TEXT NOT NULL,
    subject_id TEXT NOT NULL,
    subject_version INTEGER NOT NULL,
    row_digest BLOB NOT NULL,
    detail TEXT NOT NULL,
    hash BLOB NOT NULL
) STRICT;
CREATE INDEX audit_subject ON audit (subject_kind, subject_id, seq);
CREATE INDEX audit_organization ON audit (organization, seq);
CREATE INDEX audit_actor ON audit (actor_id, seq);

-- What tokens were issued, in chains of their own, so that issuing waits for no other change.
CREATE TABLE issuance (
    chain TEXT NOT NULL,
    seq INTEGER NOT NULL,
    at INTEGER NOT NULL,
    organization TEXT,
    actor_kind TEXT NOT NULL,
    actor_id TEXT NOT NULL,
    actor_organization TEXT,
    actor_address TEXT,
    actor_request TEXT,
    action TEXT NOT NULL,
    subject_kind TEXT NOT NULL,
    subject_id TEXT NOT NULL,
    subject_version INTEGER NOT NULL,
    row_digest BLOB NOT NULL,
    detail TEXT NOT NULL,
    hash BLOB NOT NULL,
    PRIMARY KEY (chain, seq)
) STRICT;
CREATE INDEX issuance_subject ON issuance (subject_kind, subject_id, subject_version);

-- `told_seq` is the place that the main chain knows of; the events up to `start_seq` were purged.
CREATE TABLE issuance_head (
    chain TEXT NOT NULL PRIMARY KEY,
    seq INTEGER NOT NULL,
    hash BLOB NOT NULL,
    told_seq INTEGER NOT NULL,
    start_seq INTEGER NOT NULL,
    start_hash BLOB NOT NULL
) STRICT;

CREATE TABLE checkpoint (
    chain TEXT NOT NULL,
    seq INTEGER NOT NULL,
    hash BLOB NOT NULL,
    at INTEGER NOT NULL,
    key_id TEXT NOT NULL,
    signature BLOB NOT NULL,
    PRIMARY KEY (chain, seq)
) STRICT;

CREATE TABLE organization (
    id TEXT NOT NULL PRIMARY KEY,
    number INTEGER NOT NULL,
    name TEXT NOT NULL,
    name_fold TEXT NOT NULL,
    kind TEXT NOT NULL,
    parent TEXT,
    active INTEGER NOT NULL,
    created_at INTEGER NOT NULL,
    version INTEGER NOT NULL,
    mac BLOB NOT NULL
) STRICT;
CREATE UNIQUE INDEX organization_number ON organization (number);
CREATE INDEX organization_parent ON organization (parent, id);

-- `password` is the sealed hash of a password; only the console asks for one.
CREATE TABLE person (
    id TEXT NOT NULL PRIMARY KEY,
    organization TEXT NOT NULL REFERENCES organization (id),
    email TEXT NOT NULL,
    name TEXT NOT NULL,
    roles TEXT NOT NULL,
    active INTEGER NOT NULL,
    created_at INTEGER NOT NULL,
    password BLOB,
    password_version INTEGER NOT NULL,
    version INTEGER NOT NULL,
    mac BLOB NOT NULL
) STRICT;
CREATE UNIQUE INDEX person_email ON person (organization, email);
CREATE INDEX person_organization ON person (organization, id);
CREATE INDEX person_by_email ON person (email, id);

-- `name_lock` holds organization, product and folded name while the role lives, and NULL after.
CREATE TABLE role (
    id TEXT NOT NULL PRIMARY KEY,
    organization TEXT REFERENCES organization (id),
    product TEXT NOT NULL,
    name TEXT NOT NULL,
    name_lock TEXT,
    description TEXT NOT NULL,
    scopes TEXT NOT NULL,
    deleted INTEGER NOT NULL,
    version INTEGER NOT NULL,
    mac BLOB NOT NULL
) STRICT;
CREATE UNIQUE INDEX role_name ON role (name_lock);
CREATE INDEX role_organization ON role (organization, id);

-- `name_lock` as for roles; NULL too where the product lets names repeat.
CREATE TABLE api_key (
    id TEXT NOT NULL PRIMARY KEY,
    organization TEXT NOT NULL REFERENCES organization (id),
    product TEXT NOT NULL,
    kind TEXT NOT NULL,
    name TEXT NOT NULL,
    name_fold TEXT NOT NULL,
    name_lock TEXT,
    comment TEXT NOT NULL,
    grants TEXT NOT NULL,
    addresses TEXT NOT NULL,
    limits TEXT NOT NULL,
    expires_at INTEGER,
    state TEXT NOT NULL,
    state_at INTEGER,
    state_by TEXT,
    owner TEXT,
    created_at INTEGER NOT NULL,
    created_by TEXT NOT NULL,
    edited_at INTEGER NOT NULL,
    rotated_at INTEGER,
    current_generation INTEGER NOT NULL,
    current_handle TEXT,
    current_since INTEGER NOT NULL,
    previous_generation INTEGER,
    previous_handle TEXT,
    previous_since INTEGER,
    previous_until INTEGER,
    version INTEGER NOT NULL,
    sealed BLOB NOT NULL
) STRICT;
CREATE UNIQUE INDEX api_key_name ON api_key (name_lock);
CREATE INDEX api_key_organization ON api_key (organization, id);
CREATE INDEX api_key_organization_name ON api_key (organization, name_fold, id);
CREATE INDEX api_key_expires ON api_key (expires_at, id);
CREATE INDEX api_key_state ON api_key (state, state_at, id);
CREATE INDEX api_key_owner ON api_key (owner, id);

CREATE TABLE handle (
    handle TEXT NOT NULL PRIMARY KEY,
    key_id TEXT NOT NULL REFERENCES api_key (id)
) STRICT;
CREATE INDEX handle_key ON handle (key_id);

CREATE TABLE family (
    id TEXT NOT NULL PRIMARY KEY,
    organization TEXT NOT NULL,
    key_id TEXT NOT NULL REFERENCES api_key (id),
    generation INTEGER NOT NULL,
    rotated_at INTEGER NOT NULL,
    previous_at INTEGER,
    used INTEGER NOT NULL,
    refresh_until INTEGER NOT NULL,
    access_life INTEGER NOT NULL,
    refresh_life INTEGER NOT NULL,
    dead_at INTEGER,
    dead_why TEXT,
    created_at INTEGER NOT NULL,
    version INTEGER NOT NULL,
    sealed BLOB NOT NULL
) STRICT;
CREATE INDEX family_key ON family (key_id, id);
CREATE INDEX family_lapse ON family (refresh_until, id);

CREATE TABLE revoked_token (
    id TEXT NOT NULL PRIMARY KEY,
    organization TEXT NOT NULL,
    key_id TEXT NOT NULL,
    expires_at INTEGER NOT NULL,
    at INTEGER NOT NULL,
    mac BLOB NOT NULL
) STRICT;
CREATE INDEX revoked_token_expires ON revoked_token (expires_at, id);

CREATE TABLE signing_key (
    kid TEXT NOT NULL PRIMARY KEY,
    algorithm TEXT NOT NULL,
    public BLOB NOT NULL,
    created_at INTEGER NOT NULL,
    published_at INTEGER,
    active_at INTEGER,
    retired_at INTEGER,
    revoked_at INTEGER,
    not_after INTEGER,
    version INTEGER NOT NULL,
    sealed BLOB NOT NULL
) STRICT;

CREATE TABLE setting (
    name TEXT NOT NULL,
    scope TEXT NOT NULL,
    value TEXT NOT NULL,
    version INTEGER NOT NULL,
    mac BLOB NOT NULL,
    PRIMARY KEY (name, scope)
) STRICT;

CREATE TABLE catalog (
    product TEXT NOT NULL PRIMARY KEY,
    digest TEXT NOT NULL,
    body TEXT NOT NULL,
    version INTEGER NOT NULL,
    mac BLOB NOT NULL
) STRICT;

CREATE TABLE vault_key (
    purpose TEXT NOT NULL,
    version INTEGER NOT NULL,
    wrapped BLOB NOT NULL,
    created_at INTEGER NOT NULL,
    retired_at INTEGER,
    PRIMARY KEY (purpose, version)
) STRICT;

CREATE TABLE setup_token (
    id TEXT NOT NULL PRIMARY KEY,
    expires_at INTEGER NOT NULL,
    used_at INTEGER,
    sealed BLOB NOT NULL
) STRICT;

CREATE TABLE key_usage (
    key_id TEXT NOT NULL,
    generation INTEGER NOT NULL,
    last_used_at INTEGER NOT NULL,
    address TEXT,
    route TEXT,
    uses INTEGER NOT NULL,
    PRIMARY KEY (key_id, generation)
) STRICT;

CREATE TABLE usage_hour (
    key_id TEXT NOT NULL,
    hour INTEGER NOT NULL,
    route TEXT NOT NULL,
    outcome TEXT NOT NULL,
    uses INTEGER NOT NULL,
    PRIMARY KEY (key_id, hour, route, outcome)
) STRICT;
CREATE INDEX usage_hour_age ON usage_hour (hour);

CREATE TABLE idempotency (
    caller TEXT NOT NULL,
    idem_key TEXT NOT NULL,
    body_digest BLOB NOT NULL,
    subject TEXT,
    answer BLOB,
    created_at INTEGER NOT NULL,
    PRIMARY KEY (caller, idem_key)
) STRICT;
CREATE INDEX idempotency_age ON idempotency (created_at);

-- Units that a holder spent, by the slice of time in which the last of them was, and, in slice -1, those that it may
-- still spend. `closed_at` is the last moment at which any of them was or will be; from `over_at` on none counts.
CREATE TABLE limit_block (
    meter TEXT NOT NULL,
    slice_at INTEGER NOT NULL,
    holder TEXT NOT NULL,
    units INTEGER NOT NULL,
    closed_at INTEGER NOT NULL,
    over_at INTEGER NOT NULL,
    PRIMARY KEY (meter, slice_at, holder)
) STRICT;
CREATE INDEX limit_block_over ON limit_block (over_at);

-- One row per meter, locked by whoever has a turn at it; it counts the turns.
CREATE TABLE limit_meter (
    meter TEXT NOT NULL PRIMARY KEY,
    turns INTEGER NOT NULL
) STRICT;

CREATE TABLE nonce (
    key_id TEXT NOT NULL,
    nonce BLOB NOT NULL,
    seen_at INTEGER NOT NULL,
    expires_at INTEGER NOT NULL,
    PRIMARY KEY (key_id, nonce)
) STRICT;
CREATE INDEX nonce_age ON nonce (expires_at);

CREATE TABLE notice (
    id TEXT NOT NULL PRIMARY KEY,
    organization TEXT,
    once TEXT NOT NULL,
    kind TEXT NOT NULL,
    subject_kind TEXT NOT NULL,
    subject_id TEXT NOT NULL,
    body TEXT NOT NULL,
    created_at INTEGER NOT NULL,
    read_at INTEGER,
    read_by TEXT
) STRICT;
CREATE UNIQUE INDEX notice_once ON notice (once);
CREATE INDEX notice_organization ON notice (organization, id);

CREATE TABLE replica (
    id TEXT NOT NULL PRIMARY KEY,
    name TEXT NOT NULL,
    registered_at INTEGER NOT NULL,
    acknowledged INTEGER NOT NULL,
    fenced_at INTEGER
) STRICT;

CREATE TABLE counter (
    name TEXT NOT NULL PRIMARY KEY,
    number INTEGER NOT NULL
) STRICT;
