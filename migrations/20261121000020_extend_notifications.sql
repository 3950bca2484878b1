-- What the history of messages and the state of services lacked.

ALTER TABLE notification_history
    ADD COLUMN queued_at TIMESTAMP WITH TIME ZONE,            -- since when it waits, after a retry by hand
    ADD COLUMN escalation_step INTEGER,                       -- which step of an escalation it is; none for the first message
    ADD COLUMN attempts JSONB NOT NULL DEFAULT '[]';          -- each attempt: at, status, error, said, duration_ms

-- A service that asks to be left alone is, with all of its messages.
ALTER TABLE notification_services ADD COLUMN not_before TIMESTAMP WITH TIME ZONE;

-- Something worse of the same thing is told within the cooldown.
ALTER TABLE notification_cooldowns ADD COLUMN severity VARCHAR(20) NOT NULL DEFAULT 'info';
