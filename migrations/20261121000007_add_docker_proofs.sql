-- Which Flowkeep this is, for what it leaves outside its database: containers, objects in buckets.
CREATE TABLE installation (
    is_only BOOLEAN PRIMARY KEY DEFAULT TRUE CHECK (is_only),
    id UUID NOT NULL DEFAULT gen_random_uuid()
);
INSERT INTO installation DEFAULT VALUES;

-- Why a proof was not made where it should, and when one that could not be made is tried again.
ALTER TABLE verification_runs
    ADD COLUMN engine_note TEXT,
    ADD COLUMN attempt INTEGER NOT NULL DEFAULT 1,
    ADD COLUMN not_before TIMESTAMP WITH TIME ZONE;

-- n8n's containers that were stopped for a swap: one that is cut off starts them again.
ALTER TABLE restore_runs ADD COLUMN stopped_containers JSONB NOT NULL DEFAULT '[]';
