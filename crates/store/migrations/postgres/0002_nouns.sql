-- The rows of every noun. The text for the other engine is this one with its own names of the three column types
-- (a test compares them): INTEGER is BIGINT, TEXT is TEXT COLLATE "C", BLOB is BYTEA.
--
-- Times are milliseconds since 1970. `mac` and `sealed` begin with the version of the vault key they were made with.

-- Counts restores: numbers of the feed before one mean nothing after it.
ALTER TABLE feed_head ADD COLUMN epoch BIGINT NOT NULL DEFAULT 1;

CREATE TABLE feed (
    number BIGINT NOT NULL PRIMARY KEY,
    id TEXT COLLATE "C" NOT NULL,
    at BIGINT NOT NULL,
    subjects TEXT COLLATE "C" NOT NULL
);

CREATE TABLE audit (
    seq BIGINT NOT NULL PRIMARY KEY,
    at BIGINT NOT NULL,
    organization TEXT COLLATE "C",
    actor_kind TEXT COLLATE "C" NOT NULL,
    actor_id TEXT COLLATE "C" NOT NULL,
    actor_organization TEXT COLLATE "C",
    actor_address TEXT COLLATE "C",
    actor_request TEXT COLLATE "C",
    action TEXT COLLATE "C" NOT NULL,
    subject_kind TEXT COLLATE "C" NOT NULL,
    subject_id TEXT COLLATE "C" NOT NULL,
    subject_version BIGINT NOT NULL,
    row_digest BYTEA NOT NULL,
    detail TEXT COLLATE "C" NOT NULL,
    hash BYTEA NOT NULL
);
CREATE INDEX audit_subject ON audit (subject_kind, subject_id, seq);
CREATE INDEX audit_organization ON audit (organization, seq);
CREATE INDEX audit_actor ON audit (actor_id, seq);

-- What tokens were issued, in chains of their own, so that issuing waits for no other change.
CREATE TABLE issuance (
    chain TEXT COLLATE "C" NOT NULL,
    seq BIGINT NOT NULL,
    at BIGINT NOT NULL,
    organization TEXT COLLATE "C",
    actor_kind TEXT COLLATE "C" NOT NULL,
    actor_id TEXT COLLATE "C" NOT NULL,
    actor_organization TEXT COLLATE "C",
    actor_address TEXT COLLATE "C",
    actor_request TEXT COLLATE "C",
    action TEXT COLLATE "C" NOT NULL,
    subject_kind TEXT COLLATE "C" NOT NULL,
    subject_id TEXT COLLATE "C" NOT NULL,
    subject_version BIGINT NOT NULL,
    row_digest BYTEA NOT NULL,
    detail TEXT COLLATE "C" NOT NULL,
    hash BYTEA NOT NULL,
    PRIMARY KEY (chain, seq)
);
CREATE INDEX issuance_subject ON issuance (subject_kind, subject_id, subject_version);

-- `told_seq` is the place that the main chain knows of; the events up to `start_seq` were purged.
CREATE TABLE issuance_head (
    chain TEXT COLLATE "C" NOT NULL PRIMARY KEY,
    seq BIGINT NOT NULL,
    hash BYTEA NOT NULL,
    told_seq BIGINT NOT NULL,
    start_seq BIGINT NOT NULL,
    start_hash BYTEA NOT NULL
);

CREATE TABLE checkpoint (
    chain TEXT COLLATE "C" NOT NULL,
    seq BIGINT NOT NULL,
    hash BYTEA NOT NULL,
    at BIGINT NOT NULL,
    key_id TEXT COLLATE "C" NOT NULL,
    signature BYTEA NOT NULL,
    PRIMARY KEY (chain, seq)
);

CREATE TABLE organization (
    id TEXT COLLATE "C" NOT NULL PRIMARY KEY,
    number BIGINT NOT NULL,
    name TEXT COLLATE "C" NOT NULL,
    name_fold TEXT COLLATE "C" NOT NULL,
    kind TEXT COLLATE "C" NOT NULL,
    parent TEXT COLLATE "C",
    active BIGINT NOT NULL,
    created_at BIGINT NOT NULL,
    version BIGINT NOT NULL,
    mac BYTEA NOT NULL
);
CREATE UNIQUE INDEX organization_number ON organization (number);
CREATE INDEX organization_parent ON organization (parent, id);

-- `password` is the sealed hash of a password; only the console asks for one.
CREATE TABLE person (
    id TEXT COLLATE "C" NOT NULL PRIMARY KEY,
    organization TEXT COLLATE "C" NOT NULL REFERENCES organization (id),
    email TEXT COLLATE "C" NOT NULL,
    name TEXT COLLATE "C" NOT NULL,
    roles TEXT COLLATE "C" NOT NULL,
    active BIGINT NOT NULL,
    created_at BIGINT NOT NULL,
    password BYTEA,
    password_version BIGINT NOT NULL,
    version BIGINT NOT NULL,
    mac BYTEA NOT NULL
);
CREATE UNIQUE INDEX person_email ON person (organization, email);
CREATE INDEX person_organization ON person (organization, id);
CREATE INDEX person_by_email ON person (email, id);

-- `name_lock` holds organization, product and folded name while the role lives, and NULL after.
CREATE TABLE role (
    id TEXT COLLATE "C" NOT NULL PRIMARY KEY,
    organization TEXT COLLATE "C" REFERENCES organization (id),
    product TEXT COLLATE "C" NOT NULL,
    name TEXT COLLATE "C" NOT NULL,
    name_lock TEXT COLLATE "C",
    description TEXT COLLATE "C" NOT NULL,
    scopes TEXT COLLATE "C" NOT NULL,
    deleted BIGINT NOT NULL,
    version BIGINT NOT NULL,
    mac BYTEA NOT NULL
);
CREATE UNIQUE INDEX role_name ON role (name_lock);
CREATE INDEX role_organization ON role (organization, id);

-- `name_lock` as for roles; NULL too where the product lets names repeat.
CREATE TABLE api_key (
    id TEXT COLLATE "C" NOT NULL PRIMARY KEY,
    organization TEXT COLLATE "C" NOT NULL REFERENCES organization (id),
    product TEXT COLLATE "C" NOT NULL,
    kind TEXT COLLATE "C" NOT NULL,
    name TEXT COLLATE "C" NOT NULL,
    name_fold TEXT COLLATE "C" NOT NULL,
    name_lock TEXT COLLATE "C",
    comment TEXT COLLATE "C" NOT NULL,
    grants TEXT COLLATE "C" NOT NULL,
    addresses TEXT COLLATE "C" NOT NULL,
    limits TEXT COLLATE "C" NOT NULL,
    expires_at BIGINT,
    state TEXT COLLATE "C" NOT NULL,
    state_at BIGINT,
    state_by TEXT COLLATE "C",
    owner TEXT COLLATE "C",
    created_at BIGINT NOT NULL,
    created_by TEXT COLLATE "C" NOT NULL,
    edited_at BIGINT NOT NULL,
    rotated_at BIGINT,
    current_generation BIGINT NOT NULL,
    current_handle TEXT COLLATE "C",
    current_since BIGINT NOT NULL,
    previous_generation BIGINT,
    previous_handle TEXT COLLATE "C",
    previous_since BIGINT,
    previous_until BIGINT,
    version BIGINT NOT NULL,
    sealed BYTEA NOT NULL
);
CREATE UNIQUE INDEX api_key_name ON api_key (name_lock);
CREATE INDEX api_key_organization ON api_key (organization, id);
CREATE INDEX api_key_organization_name ON api_key (organization, name_fold, id);
CREATE INDEX api_key_expires ON api_key (expires_at, id);
CREATE INDEX api_key_state ON api_key (state, state_at, id);
CREATE INDEX api_key_owner ON api_key (owner, id);

CREATE TABLE handle (
    handle TEXT COLLATE "C" NOT NULL PRIMARY KEY,
    key_id TEXT COLLATE "C" NOT NULL REFERENCES api_key (id)
);
CREATE INDEX handle_key ON handle (key_id);

CREATE TABLE family (
    id TEXT COLLATE "C" NOT NULL PRIMARY KEY,
    organization TEXT COLLATE "C" NOT NULL,
    key_id TEXT COLLATE "C" NOT NULL REFERENCES api_key (id),
    generation BIGINT NOT NULL,
    rotated_at BIGINT NOT NULL,
    previous_at BIGINT,
    used BIGINT NOT NULL,
    refresh_until BIGINT NOT NULL,
    access_life BIGINT NOT NULL,
    refresh_life BIGINT NOT NULL,
    dead_at BIGINT,
    dead_why TEXT COLLATE "C",
    created_at BIGINT NOT NULL,
    version BIGINT NOT NULL,
    sealed BYTEA NOT NULL
);
CREATE INDEX family_key ON family (key_id, id);
CREATE INDEX family_lapse ON family (refresh_until, id);

CREATE TABLE revoked_token (
    id TEXT COLLATE "C" NOT NULL PRIMARY KEY,
    organization TEXT COLLATE "C" NOT NULL,
    key_id TEXT COLLATE "C" NOT NULL,
    expires_at BIGINT NOT NULL,
    at BIGINT NOT NULL,
    mac BYTEA NOT NULL
);
CREATE INDEX revoked_token_expires ON revoked_token (expires_at, id);

CREATE TABLE signing_key (
    kid TEXT COLLATE "C" NOT NULL PRIMARY KEY,
    algorithm TEXT COLLATE "C" NOT NULL,
    public BYTEA NOT NULL,
    created_at BIGINT NOT NULL,
    published_at BIGINT,
    active_at BIGINT,
    retired_at BIGINT,
    revoked_at BIGINT,
    not_after BIGINT,
    version BIGINT NOT NULL,
    sealed BYTEA NOT NULL
);

CREATE TABLE setting (
    name TEXT COLLATE "C" NOT NULL,
    scope TEXT COLLATE "C" NOT NULL,
    value TEXT COLLATE "C" NOT NULL,
    version BIGINT NOT NULL,
    mac BYTEA NOT NULL,
    PRIMARY KEY (name, scope)
);

CREATE TABLE catalog (
    product TEXT COLLATE "C" NOT NULL PRIMARY KEY,
    digest TEXT COLLATE "C" NOT NULL,
    body TEXT COLLATE "C" NOT NULL,
    version BIGINT NOT NULL,
    mac BYTEA NOT NULL
);

CREATE TABLE vault_key (
    purpose TEXT COLLATE "C" NOT NULL,
    version BIGINT NOT NULL,
    wrapped BYTEA NOT NULL,
    created_at BIGINT NOT NULL,
    retired_at BIGINT,
    PRIMARY KEY (purpose, version)
);

CREATE TABLE setup_token (
    id TEXT COLLATE "C" NOT NULL PRIMARY KEY,
    expires_at BIGINT NOT NULL,
    used_at BIGINT,
    sealed BYTEA NOT NULL
);

CREATE TABLE key_usage (
    key_id TEXT COLLATE "C" NOT NULL,
    generation BIGINT NOT NULL,
    last_used_at BIGINT NOT NULL,
    address TEXT COLLATE "C",
    route TEXT COLLATE "C",
    uses BIGINT NOT NULL,
    PRIMARY KEY (key_id, generation)
);

CREATE TABLE usage_hour (
    key_id TEXT COLLATE "C" NOT NULL,
    hour BIGINT NOT NULL,
    route TEXT COLLATE "C" NOT NULL,
    outcome TEXT COLLATE "C" NOT NULL,
    uses BIGINT NOT NULL,
    PRIMARY KEY (key_id, hour, route, outcome)
);
CREATE INDEX usage_hour_age ON usage_hour (hour);

CREATE TABLE idempotency (
    caller TEXT COLLATE "C" NOT NULL,
    idem_key TEXT COLLATE "C" NOT NULL,
    body_digest BYTEA NOT NULL,
    subject TEXT COLLATE "C",
    answer BYTEA,
    created_at BIGINT NOT NULL,
    PRIMARY KEY (caller, idem_key)
);
CREATE INDEX idempotency_age ON idempotency (created_at);

-- Units that a holder spent, by the slice of time in which the last of them was, and, in slice -1, those that it may
-- still spend. `closed_at` is the last moment at which any of them was or will be; from `over_at` on none counts.
CREATE TABLE limit_block (
    meter TEXT COLLATE "C" NOT NULL,
    slice_at BIGINT NOT NULL,
    holder TEXT COLLATE "C" NOT NULL,
    units BIGINT NOT NULL,
    closed_at BIGINT NOT NULL,
    over_at BIGINT NOT NULL,
    PRIMARY KEY (meter, slice_at, holder)
);
CREATE INDEX limit_block_over ON limit_block (over_at);

-- One row per meter, locked by whoever has a turn at it; it counts the turns.
CREATE TABLE limit_meter (
    meter TEXT COLLATE "C" NOT NULL PRIMARY KEY,
    turns BIGINT NOT NULL
);

CREATE TABLE nonce (
    key_id TEXT COLLATE "C" NOT NULL,
    nonce BYTEA NOT NULL,
    seen_at BIGINT NOT NULL,
    expires_at BIGINT NOT NULL,
    PRIMARY KEY (key_id, nonce)
);
CREATE INDEX nonce_age ON nonce (expires_at);

CREATE TABLE notice (
    id TEXT COLLATE "C" NOT NULL PRIMARY KEY,
    organization TEXT COLLATE "C",
    once TEXT COLLATE "C" NOT NULL,
    kind TEXT COLLATE "C" NOT NULL,
    subject_kind TEXT COLLATE "C" NOT NULL,
    subject_id TEXT COLLATE "C" NOT NULL,
    body TEXT COLLATE "C" NOT NULL,
    created_at BIGINT NOT NULL,
    read_at BIGINT,
    read_by TEXT COLLATE "C"
);
CREATE UNIQUE INDEX notice_once ON notice (once);
CREATE INDEX notice_organization ON notice (organization, id);

CREATE TABLE replica (
    id TEXT COLLATE "C" NOT NULL PRIMARY KEY,
    name TEXT COLLATE "C" NOT NULL,
    registered_at BIGINT NOT NULL,
    acknowledged BIGINT NOT NULL,
    fenced_at BIGINT
);

CREATE TABLE counter (
    name TEXT COLLATE "C" NOT NULL PRIMARY KEY,
    number BIGINT NOT NULL
);
