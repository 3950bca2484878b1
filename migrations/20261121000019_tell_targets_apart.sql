-- Which targets of a message have it, and which refused it for good: one that refuses must not keep it from the rest.

ALTER TABLE notification_history ADD COLUMN parts JSONB; -- {"taken": [0, 2], "refused": {"1": "why"}}
UPDATE notification_history
SET parts = jsonb_build_object('taken', (SELECT jsonb_agg(part) FROM generate_series(0, parts_done - 1) AS part))
WHERE parts_done > 0;
ALTER TABLE notification_history DROP COLUMN parts_done;
