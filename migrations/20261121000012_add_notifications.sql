-- Notifications: what the published tables lack for delivery that loses nothing.

ALTER TABLE notification_services
    ADD COLUMN secret JSONB,                             -- sealed: what `config` must not show
    ADD COLUMN disabled_reason TEXT,                     -- why Flowkeep itself switched it off
    ADD COLUMN failing_since TIMESTAMP WITH TIME ZONE,
    ADD COLUMN last_error TEXT,
    ADD COLUMN last_success TIMESTAMP WITH TIME ZONE;
CREATE UNIQUE INDEX notification_services_name_key ON notification_services (LOWER(name));

-- When a rule last told something of one subject: its cooldown.
CREATE TABLE notification_cooldowns (
    rule_id INTEGER NOT NULL REFERENCES notification_rules(id) ON DELETE CASCADE,
    subject VARCHAR(255) NOT NULL,
    told_at TIMESTAMP WITH TIME ZONE NOT NULL,
    PRIMARY KEY (rule_id, subject)
);

ALTER TABLE notification_batch
    ADD COLUMN rule_id INTEGER REFERENCES notification_rules(id) ON DELETE CASCADE,
    ADD COLUMN kind VARCHAR(20) NOT NULL DEFAULT 'window', -- 'window', 'quiet', 'storm'
    ADD COLUMN severity VARCHAR(20) NOT NULL DEFAULT 'info',
    ADD COLUMN due_at TIMESTAMP WITH TIME ZONE NOT NULL DEFAULT NOW();
CREATE UNIQUE INDEX notification_batch_collecting_key ON notification_batch (rule_id, kind, batch_key)
    WHERE status = 'collecting';
CREATE INDEX idx_notification_batch_due ON notification_batch (due_at) WHERE status = 'collecting';

-- A trouble that somebody must acknowledge, or else the next is told.
CREATE TABLE notification_alerts (
    id SERIAL PRIMARY KEY,
    rule_id INTEGER NOT NULL REFERENCES notification_rules(id) ON DELETE CASCADE,
    subject VARCHAR(255) NOT NULL,
    event_type VARCHAR(100) NOT NULL,
    event_id UUID NOT NULL,
    event_data JSONB NOT NULL,
    severity VARCHAR(20) NOT NULL,
    title TEXT NOT NULL,
    status VARCHAR(20) NOT NULL DEFAULT 'open',          -- 'open', 'acknowledged', 'resolved'
    opened_at TIMESTAMP WITH TIME ZONE NOT NULL,
    event_count INTEGER NOT NULL DEFAULT 1,
    last_event_at TIMESTAMP WITH TIME ZONE NOT NULL,
    next_step INTEGER NOT NULL DEFAULT 0,
    next_at TIMESTAMP WITH TIME ZONE,
    closed_at TIMESTAMP WITH TIME ZONE,
    closed_by VARCHAR(100)
);
CREATE UNIQUE INDEX notification_alerts_open_key ON notification_alerts (rule_id, subject) WHERE status = 'open';
CREATE INDEX idx_notification_alerts_next ON notification_alerts (next_at) WHERE status = 'open';

ALTER TABLE notification_history
    ADD COLUMN delivery_id UUID NOT NULL DEFAULT gen_random_uuid(), -- the same in every attempt
    ADD COLUMN event_id UUID,
    ADD COLUMN occurred_at TIMESTAMP WITH TIME ZONE,
    ADD COLUMN title TEXT NOT NULL DEFAULT '',
    ADD COLUMN message TEXT NOT NULL DEFAULT '',
    ADD COLUMN priority VARCHAR(20) NOT NULL DEFAULT 'normal',
    ADD COLUMN subject VARCHAR(255) NOT NULL DEFAULT '',
    ADD COLUMN has_details BOOLEAN NOT NULL DEFAULT TRUE,
    ADD COLUMN rule_name VARCHAR(100),
    ADD COLUMN skip_code VARCHAR(50),
    ADD COLUMN event_count INTEGER NOT NULL DEFAULT 1,
    ADD COLUMN parts_done INTEGER NOT NULL DEFAULT 0,
    ADD COLUMN lease_expires_at TIMESTAMP WITH TIME ZONE,
    ADD COLUMN response_status INTEGER,
    ADD COLUMN response_text TEXT,
    ADD COLUMN duration_ms INTEGER,
    ADD COLUMN batch_id INTEGER REFERENCES notification_batch(id) ON DELETE SET NULL,
    ADD COLUMN alert_id INTEGER REFERENCES notification_alerts(id) ON DELETE SET NULL,
    ADD COLUMN fallback_of INTEGER REFERENCES notification_history(id) ON DELETE SET NULL;
CREATE UNIQUE INDEX notification_history_delivery_id_key ON notification_history (delivery_id);
CREATE INDEX idx_notification_history_due ON notification_history (service_id, next_retry) WHERE status = 'pending';
CREATE INDEX idx_notification_history_rule ON notification_history (rule_id, created_at);
CREATE INDEX idx_notification_history_fallback ON notification_history (fallback_of) WHERE fallback_of IS NOT NULL;

CREATE INDEX idx_event_outbox_occurred_at ON event_outbox (occurred_at);

-- Up to which event somebody has seen the bell.
ALTER TABLE admin_user ADD COLUMN events_seen_id BIGINT NOT NULL DEFAULT 0;
