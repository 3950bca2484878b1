-- What Flowkeep remembers of a container between two looks: an end that is not told yet, a trouble that is not over.

ALTER TABLE container_status_cache
    ADD COLUMN memory JSONB,
    ADD COLUMN exit_code BIGINT;
