-- Groups of people. Lists are JSON: a group is read and written whole.
CREATE TABLE user_group (
    id TEXT NOT NULL PRIMARY KEY,
    organization TEXT NOT NULL REFERENCES organization (id),
    name TEXT NOT NULL,
    name_fold TEXT NOT NULL,
    description TEXT NOT NULL,
    roles TEXT NOT NULL,
    members TEXT NOT NULL,
    nested TEXT NOT NULL,
    reach TEXT NOT NULL,
    created_at INTEGER NOT NULL,
    created_by TEXT NOT NULL,
    edited_at INTEGER NOT NULL,
    version INTEGER NOT NULL,
    mac BLOB NOT NULL
) STRICT;
CREATE UNIQUE INDEX user_group_name ON user_group (organization, name_fold);
CREATE INDEX user_group_organization ON user_group (organization, id);
