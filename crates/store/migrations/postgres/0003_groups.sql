-- Groups of people. Lists are JSON: a group is read and written whole.
CREATE TABLE user_group (
    id TEXT COLLATE "C" NOT NULL PRIMARY KEY,
    organization TEXT COLLATE "C" NOT NULL REFERENCES organization (id),
    name TEXT COLLATE "C" NOT NULL,
    name_fold TEXT COLLATE "C" NOT NULL,
    description TEXT COLLATE "C" NOT NULL,
    roles TEXT COLLATE "C" NOT NULL,
    members TEXT COLLATE "C" NOT NULL,
    nested TEXT COLLATE "C" NOT NULL,
    reach TEXT COLLATE "C" NOT NULL,
    created_at BIGINT NOT NULL,
    created_by TEXT COLLATE "C" NOT NULL,
    edited_at BIGINT NOT NULL,
    version BIGINT NOT NULL,
    mac BYTEA NOT NULL
);
CREATE UNIQUE INDEX user_group_name ON user_group (organization, name_fold);
CREATE INDEX user_group_organization ON user_group (organization, id);
