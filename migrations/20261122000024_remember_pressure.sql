-- How close a container is to what it may use, remembered between two measurements: since when it is too much, and whether that was told.

ALTER TABLE container_status_cache
    ADD COLUMN pressure JSONB;
