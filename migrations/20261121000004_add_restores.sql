-- A backup restored into a new database beside the old one, and the change of places. Only additions.
CREATE TABLE restore_runs (
    id SERIAL PRIMARY KEY,
    backup_id INTEGER REFERENCES backup_history(id) ON DELETE SET NULL,
    status VARCHAR(20) NOT NULL,          -- 'running', 'restored', 'swapping', 'swapped', 'undoing', 'undone', 'failed', 'discarded'
    job_id UUID NOT NULL CONSTRAINT restore_runs_job_id_key UNIQUE,
    database_name VARCHAR(100) NOT NULL,  -- the one n8n uses
    scratch_name VARCHAR(100) NOT NULL,   -- the one the backup was restored into
    previous_name VARCHAR(100),           -- what n8n's own is called after the swap
    is_inactive BOOLEAN NOT NULL DEFAULT FALSE,
    failure_code VARCHAR(50),
    message TEXT,
    remedy TEXT,
    tables_checked INTEGER,
    restore_ms BIGINT,
    safety_backup_id INTEGER REFERENCES backup_history(id) ON DELETE SET NULL,
    requested_by INTEGER REFERENCES admin_user(id) ON DELETE SET NULL,
    started_at TIMESTAMP WITH TIME ZONE NOT NULL,
    completed_at TIMESTAMP WITH TIME ZONE,
    swapped_at TIMESTAMP WITH TIME ZONE,
    undo_until TIMESTAMP WITH TIME ZONE
);
-- One at a time for each database.
CREATE UNIQUE INDEX restore_runs_one_running_key ON restore_runs(database_name) WHERE status = 'running';
