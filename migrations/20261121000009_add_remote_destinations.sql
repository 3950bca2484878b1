-- Destinations that are no folder of this machine, and which of them a schedule's backups go to.
-- Only additions.
ALTER TABLE backup_destinations
    ADD COLUMN config JSONB NOT NULL DEFAULT '{}',   -- what is no secret: bucket, endpoint, host key
    ADD COLUMN secret JSONB;                         -- password or key, sealed
-- Null: to every one that is enabled.
ALTER TABLE backup_schedules ADD COLUMN destination_ids JSONB;
