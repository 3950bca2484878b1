-- Further places for backups, and the copies there. Only additions.
CREATE TABLE backup_destinations (
    id SERIAL PRIMARY KEY,
    name VARCHAR(100) NOT NULL CONSTRAINT backup_destinations_name_key UNIQUE,
    kind VARCHAR(20) NOT NULL,            -- 'folder': a disk or a mounted network share
    path VARCHAR(1000) NOT NULL CONSTRAINT backup_destinations_path_key UNIQUE,
    is_enabled BOOLEAN NOT NULL DEFAULT TRUE,
    sentinel UUID NOT NULL,               -- stands in a file there; without it the share is not mounted
    created_at TIMESTAMP WITH TIME ZONE NOT NULL,
    updated_at TIMESTAMP WITH TIME ZONE NOT NULL,
    last_checked_at TIMESTAMP WITH TIME ZONE,
    last_error_code VARCHAR(50),
    last_error TEXT
);
CREATE TABLE backup_copies (
    id SERIAL PRIMARY KEY,
    backup_id INTEGER NOT NULL REFERENCES backup_history(id) ON DELETE CASCADE,
    destination_id INTEGER NOT NULL REFERENCES backup_destinations(id) ON DELETE CASCADE,
    status VARCHAR(20) NOT NULL,          -- 'queued', 'copied', 'removed'
    attempts INTEGER NOT NULL DEFAULT 0,
    next_attempt_at TIMESTAMP WITH TIME ZONE,
    error_code VARCHAR(50),
    error TEXT,
    bytes BIGINT,
    copied_at TIMESTAMP WITH TIME ZONE,
    CONSTRAINT backup_copies_key UNIQUE (backup_id, destination_id)
);
CREATE INDEX idx_backup_copies_queued ON backup_copies(id) WHERE status = 'queued';
