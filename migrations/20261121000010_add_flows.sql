-- Workflows found in backups and uploaded archives, and what was put back of them.

-- An archive that somebody uploaded: what of it is n8n's, kept in a file of its own.
CREATE TABLE flow_archives (
    id SERIAL PRIMARY KEY,
    name VARCHAR(255) NOT NULL,
    -- 'sql' or 'packed'
    format VARCHAR(20) NOT NULL,
    filename VARCHAR(255) NOT NULL UNIQUE,
    original_bytes BIGINT NOT NULL,
    stored_bytes BIGINT NOT NULL,
    sha256 VARCHAR(64) NOT NULL,
    uploaded_at TIMESTAMPTZ NOT NULL,
    uploaded_by INTEGER REFERENCES admin_user(id) ON DELETE SET NULL
);

-- What was found in a backup or an archive.
CREATE TABLE flow_snapshots (
    id SERIAL PRIMARY KEY,
    backup_id INTEGER UNIQUE REFERENCES backup_history(id) ON DELETE CASCADE,
    archive_id INTEGER UNIQUE REFERENCES flow_archives(id) ON DELETE CASCADE,
    taken_at TIMESTAMPTZ NOT NULL,
    indexed_at TIMESTAMPTZ NOT NULL,
    n8n_version VARCHAR(50),
    -- Why it could not be read; null when it could.
    error TEXT,
    -- Credentials, variables, tags, projects and migrations by name.
    inventory JSONB NOT NULL DEFAULT '{}',
    unreadable JSONB NOT NULL DEFAULT '[]',
    CHECK ((backup_id IS NULL) <> (archive_id IS NULL))
);

-- A version of a workflow, whoever saw it.
CREATE TABLE flow_versions (
    id SERIAL PRIMARY KEY,
    workflow_id VARCHAR(64) NOT NULL,
    content_sha256 VARCHAR(64) NOT NULL,
    name VARCHAR(255) NOT NULL,
    node_count INTEGER NOT NULL,
    node_types TEXT[] NOT NULL,
    tags TEXT[] NOT NULL,
    folder TEXT NOT NULL,
    credentials JSONB NOT NULL,
    UNIQUE (workflow_id, content_sha256)
);
CREATE INDEX flow_versions_by_name ON flow_versions (lower(name));

-- Where a version was seen.
CREATE TABLE flow_sightings (
    snapshot_id INTEGER NOT NULL REFERENCES flow_snapshots(id) ON DELETE CASCADE,
    version_id INTEGER NOT NULL REFERENCES flow_versions(id) ON DELETE CASCADE,
    is_active BOOLEAN NOT NULL,
    is_archived BOOLEAN NOT NULL,
    project VARCHAR(255),
    updated_at TIMESTAMPTZ,
    PRIMARY KEY (snapshot_id, version_id)
);
CREATE INDEX flow_sightings_by_version ON flow_sightings (version_id);

-- A restore of workflows into the running n8n.
CREATE TABLE flow_restores (
    id SERIAL PRIMARY KEY,
    -- 'backup:12', 'archive:3', 'history:<version>' or 'undo:<item>'
    source VARCHAR(100) NOT NULL,
    on_conflict VARCHAR(20) NOT NULL,
    -- 'running', 'done', 'partly' or 'failed'
    status VARCHAR(20) NOT NULL,
    requested_by INTEGER REFERENCES admin_user(id) ON DELETE SET NULL,
    requested_at TIMESTAMPTZ NOT NULL,
    finished_at TIMESTAMPTZ
);

CREATE TABLE flow_restore_items (
    id SERIAL PRIMARY KEY,
    restore_id INTEGER NOT NULL REFERENCES flow_restores(id) ON DELETE CASCADE,
    workflow_id VARCHAR(64) NOT NULL,
    name VARCHAR(255) NOT NULL,
    -- 'create', 'overwrite', 'rename', 'skip' or 'same'
    action VARCHAR(20) NOT NULL,
    -- 'sql' or 'api'
    way VARCHAR(20),
    -- 'pending', 'running', 'done', 'skipped' or 'failed'
    status VARCHAR(20) NOT NULL,
    message TEXT,
    -- What it is in n8n afterwards.
    target_id VARCHAR(64),
    content_sha256 VARCHAR(64) NOT NULL,
    -- What n8n had of it when it was done, to see whether somebody changed it since.
    result_sha256 VARCHAR(64),
    -- What it was before, as n8n kept it; null when it was not there.
    safety JSON,
    undone_at TIMESTAMPTZ
);
CREATE INDEX flow_restore_items_by_restore ON flow_restore_items (restore_id);
CREATE INDEX flow_restore_items_by_workflow ON flow_restore_items (workflow_id);
