-- What signing in, backing up and proving need beyond the base tables. Only additions.

-- A setup link makes the first administrator. Only the hash of its token is kept.
CREATE TABLE setup_tokens (
    token_hash VARCHAR(64) PRIMARY KEY,
    created_at TIMESTAMP WITH TIME ZONE NOT NULL DEFAULT NOW(),
    expires_at TIMESTAMP WITH TIME ZONE NOT NULL,
    used_at TIMESTAMP WITH TIME ZONE
);

-- `totp_secret` holds 32 characters, too few for ciphertext, so the secret lives encrypted beside it.
ALTER TABLE admin_user
    ADD COLUMN totp_secret_encrypted JSONB,
    ADD COLUMN totp_pending_encrypted JSONB,
    ADD COLUMN totp_last_step BIGINT,
    ADD COLUMN lockout_count INTEGER NOT NULL DEFAULT 0,
    ADD COLUMN password_changed_at TIMESTAMP WITH TIME ZONE NOT NULL DEFAULT NOW();

CREATE UNIQUE INDEX admin_user_username_lower_key ON admin_user (LOWER(username));

CREATE TABLE admin_recovery_codes (
    id SERIAL PRIMARY KEY,
    user_id INTEGER NOT NULL REFERENCES admin_user(id) ON DELETE CASCADE,
    code_hash VARCHAR(64) NOT NULL,
    created_at TIMESTAMP WITH TIME ZONE NOT NULL DEFAULT NOW(),
    used_at TIMESTAMP WITH TIME ZONE,
    CONSTRAINT admin_recovery_codes_user_code_key UNIQUE (user_id, code_hash)
);

-- A browser that signed in before. It has a failure counter of its own, so nobody else's
-- failures can lock its owner out.
CREATE TABLE known_devices (
    id UUID PRIMARY KEY,
    user_id INTEGER NOT NULL REFERENCES admin_user(id) ON DELETE CASCADE,
    token_hash VARCHAR(64) NOT NULL CONSTRAINT known_devices_token_hash_key UNIQUE,
    failed_attempts INTEGER NOT NULL DEFAULT 0,
    lockout_count INTEGER NOT NULL DEFAULT 0,
    locked_until TIMESTAMP WITH TIME ZONE,
    created_at TIMESTAMP WITH TIME ZONE NOT NULL DEFAULT NOW(),
    last_used_at TIMESTAMP WITH TIME ZONE NOT NULL DEFAULT NOW(),
    expires_at TIMESTAMP WITH TIME ZONE NOT NULL
);
CREATE INDEX idx_known_devices_user_id ON known_devices(user_id);

-- `token` holds the SHA-256 of the session token in hex; `id` is its public name.
ALTER TABLE sessions
    ADD COLUMN id UUID NOT NULL DEFAULT gen_random_uuid() CONSTRAINT sessions_id_key UNIQUE,
    ADD COLUMN last_seen_at TIMESTAMP WITH TIME ZONE,
    ADD COLUMN reauthenticated_until TIMESTAMP WITH TIME ZONE,
    ADD COLUMN kind VARCHAR(10) NOT NULL DEFAULT 'cookie',
    ADD COLUMN failed_attempts INTEGER NOT NULL DEFAULT 0,
    ADD COLUMN lockout_count INTEGER NOT NULL DEFAULT 0,
    ADD COLUMN locked_until TIMESTAMP WITH TIME ZONE;

-- Every event, written in the transaction that caused it and delivered afterwards.
CREATE TABLE event_outbox (
    id BIGSERIAL PRIMARY KEY,
    event_id UUID NOT NULL CONSTRAINT event_outbox_event_id_key UNIQUE,
    event_type VARCHAR(100) NOT NULL,
    severity VARCHAR(20) NOT NULL,
    data JSONB NOT NULL,
    occurred_at TIMESTAMP WITH TIME ZONE NOT NULL,
    dispatched_at TIMESTAMP WITH TIME ZONE
);
CREATE INDEX idx_event_outbox_undispatched ON event_outbox(id) WHERE dispatched_at IS NULL;

ALTER TABLE backup_history
    ADD COLUMN job_id UUID,
    ADD COLUMN epoch INTEGER NOT NULL DEFAULT 0,
    ADD COLUMN lease_expires_at TIMESTAMP WITH TIME ZONE,
    ADD COLUMN source_identity VARCHAR(64),
    ADD COLUMN failure_code VARCHAR(50),
    ADD COLUMN trigger VARCHAR(20) NOT NULL DEFAULT 'manual',
    ADD COLUMN requested_by INTEGER REFERENCES admin_user(id) ON DELETE SET NULL,
    ADD COLUMN is_sample BOOLEAN NOT NULL DEFAULT FALSE,
    ADD COLUMN n8n_version VARCHAR(50),
    ADD COLUMN duration_ms BIGINT,
    ADD COLUMN total_rows BIGINT,
    ADD COLUMN tables JSONB;

-- One run at a time for each source database, across processes.
CREATE UNIQUE INDEX backup_history_one_running_key ON backup_history(source_identity)
    WHERE status = 'running' AND source_identity IS NOT NULL;
CREATE UNIQUE INDEX backup_history_job_id_key ON backup_history(job_id) WHERE job_id IS NOT NULL;

CREATE TABLE verification_runs (
    id SERIAL PRIMARY KEY,
    backup_id INTEGER NOT NULL REFERENCES backup_history(id) ON DELETE CASCADE,
    status VARCHAR(20) NOT NULL,
    outcome_code VARCHAR(50),
    message TEXT,
    remedy TEXT,
    engine VARCHAR(20) NOT NULL DEFAULT 'local',
    trigger VARCHAR(20) NOT NULL DEFAULT 'manual',
    requested_by INTEGER REFERENCES admin_user(id) ON DELETE SET NULL,
    epoch INTEGER NOT NULL DEFAULT 0,
    lease_expires_at TIMESTAMP WITH TIME ZONE,
    server_version VARCHAR(50),
    tables_checked INTEGER,
    tables_total INTEGER,
    mismatches JSONB NOT NULL DEFAULT '[]',
    checks JSONB NOT NULL DEFAULT '[]',
    restore_ms BIGINT,
    duration_ms BIGINT,
    queued_at TIMESTAMP WITH TIME ZONE NOT NULL DEFAULT NOW(),
    started_at TIMESTAMP WITH TIME ZONE,
    completed_at TIMESTAMP WITH TIME ZONE
);
CREATE INDEX idx_verification_runs_backup_id ON verification_runs(backup_id);
CREATE INDEX idx_verification_runs_queued ON verification_runs(id) WHERE status IN ('queued', 'running');
CREATE UNIQUE INDEX verification_runs_one_open_key ON verification_runs(backup_id)
    WHERE status IN ('queued', 'running');
