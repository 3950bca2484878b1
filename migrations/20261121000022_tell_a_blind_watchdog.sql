-- What the watchdog remembers beside its cursor, and since when it cannot read. Only additions.
ALTER TABLE watchdog_state
    ADD COLUMN late_ids JSONB NOT NULL DEFAULT '[]',     -- numbers that nobody had written, each with the looks that are left to it
    ADD COLUMN identity TEXT;                            -- the database itself, whatever its server is called

-- While n8n's executions cannot be read; empty when they can.
CREATE TABLE watchdog_trouble (
    is_only BOOLEAN PRIMARY KEY DEFAULT TRUE CHECK (is_only),
    source TEXT NOT NULL,                                -- whose executions: address and database
    problem TEXT NOT NULL,
    since TIMESTAMP WITH TIME ZONE NOT NULL,             -- the first look that failed
    seen_at TIMESTAMP WITH TIME ZONE NOT NULL,           -- the newest
    is_told BOOLEAN NOT NULL DEFAULT FALSE
);
