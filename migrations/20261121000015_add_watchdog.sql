-- n8n's executions as they are watched. Nothing here is written into n8n's own database.

-- How far they were read. Written with what was found, so that nothing is counted twice.
CREATE TABLE watchdog_state (
    is_only BOOLEAN PRIMARY KEY DEFAULT TRUE CHECK (is_only),
    source TEXT NOT NULL,                                -- whose executions: address and database
    cursor_id BIGINT NOT NULL,                           -- the newest that was seen
    open_ids JSONB NOT NULL DEFAULT '[]',                -- those that had not ended then
    looked_at TIMESTAMP WITH TIME ZONE NOT NULL
);

-- What is wrong with a workflow: one row from the first time it is seen until it is over.
CREATE TABLE workflow_incidents (
    id SERIAL PRIMARY KEY,
    workflow_id VARCHAR(64) NOT NULL,
    workflow_name VARCHAR(255) NOT NULL,
    kind VARCHAR(20) NOT NULL,                           -- 'failing', 'stuck', 'missed'
    status VARCHAR(20) NOT NULL DEFAULT 'open',          -- 'open', 'resolved'
    first_seen_at TIMESTAMP WITH TIME ZONE NOT NULL,
    last_seen_at TIMESTAMP WITH TIME ZONE NOT NULL,
    incident_count INTEGER NOT NULL DEFAULT 1,
    last_execution_id BIGINT,
    last_error TEXT,
    last_node TEXT,
    detail TEXT,
    is_told BOOLEAN NOT NULL DEFAULT FALSE,
    resolved_at TIMESTAMP WITH TIME ZONE,
    resolution VARCHAR(20),                              -- 'success', 'ended', 'inactive'
    acknowledged_at TIMESTAMP WITH TIME ZONE,
    acknowledged_by INTEGER REFERENCES admin_user(id) ON DELETE SET NULL
);
CREATE UNIQUE INDEX workflow_incidents_open_key ON workflow_incidents (workflow_id, kind) WHERE status = 'open';
CREATE INDEX idx_workflow_incidents_last_seen ON workflow_incidents (last_seen_at);

-- Workflows of which nobody is told.
CREATE TABLE workflow_mutes (
    workflow_id VARCHAR(64) PRIMARY KEY,
    muted_until TIMESTAMP WITH TIME ZONE,                -- null for as long as nobody ends it
    reason TEXT,
    muted_by INTEGER REFERENCES admin_user(id) ON DELETE SET NULL,
    created_at TIMESTAMP WITH TIME ZONE NOT NULL
);
