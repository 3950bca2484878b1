-- n8n's containers made anew from another image, and taken back if it does not go well. Only additions.
CREATE TABLE upgrade_runs (
    id SERIAL PRIMARY KEY,
    status VARCHAR(20) NOT NULL,           -- 'running', 'done', 'unchanged', 'failed', 'rolled_back', 'stuck'
    phase VARCHAR(20) NOT NULL,            -- what it is at, or was at when it ended
    job_id UUID NOT NULL CONSTRAINT upgrade_runs_job_id_key UNIQUE,
    image VARCHAR(255) NOT NULL,           -- what was asked for
    containers JSONB NOT NULL DEFAULT '[]', -- name, id, image and state of each before anything was changed
    steps JSONB NOT NULL DEFAULT '[]',     -- phase, when it began, what came of it
    backup_id INTEGER REFERENCES backup_history(id) ON DELETE SET NULL,  -- proven, of while n8n ran
    saved_backup_id INTEGER REFERENCES backup_history(id) ON DELETE SET NULL, -- of after it was stopped
    restore_id INTEGER REFERENCES restore_runs(id) ON DELETE SET NULL,
    migrations_before BIGINT,              -- how many n8n had made in its database
    failure_code VARCHAR(50),
    message TEXT,
    remedy TEXT,
    requested_by INTEGER REFERENCES admin_user(id) ON DELETE SET NULL,
    started_at TIMESTAMP WITH TIME ZONE NOT NULL,
    completed_at TIMESTAMP WITH TIME ZONE,
    kept_until TIMESTAMP WITH TIME ZONE    -- the former containers stay so long
);
CREATE UNIQUE INDEX upgrade_runs_one_running_key ON upgrade_runs((status = 'running')) WHERE status = 'running';
