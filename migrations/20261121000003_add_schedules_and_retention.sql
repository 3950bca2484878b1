-- What running by itself needs: who leads, what is due, what stays. Only additions.

-- One daemon at a time does what must be done once. `epoch` rises with every change of the holder:
-- what a former holder still tries to write names an old epoch and is refused.
CREATE TABLE leader_leases (
    name VARCHAR(50) PRIMARY KEY,
    holder UUID NOT NULL,
    holder_name VARCHAR(255) NOT NULL,
    epoch BIGINT NOT NULL,
    acquired_at TIMESTAMP WITH TIME ZONE NOT NULL,
    expires_at TIMESTAMP WITH TIME ZONE NOT NULL
);

-- Each time a schedule was due, once: the unique key refuses a second one.
CREATE TABLE schedule_runs (
    id SERIAL PRIMARY KEY,
    kind VARCHAR(20) NOT NULL,            -- 'backup', 'verification'
    schedule_id INTEGER NOT NULL,
    due_at TIMESTAMP WITH TIME ZONE NOT NULL,
    status VARCHAR(20) NOT NULL,          -- 'queued', 'started', 'succeeded', 'failed', 'skipped', 'missed'
    detail TEXT,
    attempts INTEGER NOT NULL DEFAULT 0,
    next_attempt_at TIMESTAMP WITH TIME ZONE,
    backup_id INTEGER REFERENCES backup_history(id) ON DELETE SET NULL,
    created_at TIMESTAMP WITH TIME ZONE NOT NULL,
    ended_at TIMESTAMP WITH TIME ZONE,
    CONSTRAINT schedule_runs_due_key UNIQUE (kind, schedule_id, due_at)
);
CREATE INDEX idx_schedule_runs_open ON schedule_runs(id) WHERE status IN ('queued', 'started');

-- A pinned backup stays whatever the policy says. A deleted one keeps its row; until its file is gone
-- as well, the deletion is tried again.
ALTER TABLE backup_history
    ADD COLUMN is_pinned BOOLEAN NOT NULL DEFAULT FALSE,
    ADD COLUMN file_removed_at TIMESTAMP WITH TIME ZONE,
    ADD COLUMN scrubbed_at TIMESTAMP WITH TIME ZONE;
UPDATE backup_history SET file_removed_at = deleted_at WHERE deleted_at IS NOT NULL;
CREATE INDEX idx_backup_history_to_remove ON backup_history(id)
    WHERE deleted_at IS NOT NULL AND file_removed_at IS NULL;

-- Good habits from the start; every number can be changed.
INSERT INTO retention_policies (backup_type)
VALUES ('postgres_full'), ('postgres_n8n'), ('postgres_mgmt'), ('n8n_config'), ('flows')
ON CONFLICT (backup_type) DO NOTHING;
INSERT INTO verification_schedule (enabled) SELECT TRUE WHERE NOT EXISTS (SELECT FROM verification_schedule);

-- A scheduled backup names the due time it stands for and which attempt it is.
ALTER TABLE backup_history
    ADD COLUMN schedule_run_id INTEGER,
    ADD COLUMN schedule_attempt INTEGER;
CREATE UNIQUE INDEX backup_history_schedule_attempt_key ON backup_history(schedule_run_id, schedule_attempt)
    WHERE schedule_run_id IS NOT NULL;
