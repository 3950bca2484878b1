-- Troubles that last, and what was told of each: neither a restart nor another leader tells the same again.
CREATE TABLE standing_troubles (
    name VARCHAR(200) PRIMARY KEY,     -- 'stale:flows', 'ping', 'retention:flows', 'copies:3'
    kind VARCHAR(50) NOT NULL,         -- another kind of the same trouble is told as well
    told_at TIMESTAMP WITH TIME ZONE NOT NULL
);
-- What was told before there was this table.
INSERT INTO standing_troubles (name, kind, told_at)
SELECT 'copies:' || id, last_error_code, COALESCE(last_checked_at, updated_at)
FROM backup_destinations WHERE last_error_code IS NOT NULL;
