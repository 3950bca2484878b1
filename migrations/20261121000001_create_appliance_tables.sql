-- The appliance's tables. Later migrations only add to them: none of these columns changes or goes.

-- ============================================
-- AUTHENTICATION & AUTHORIZATION
-- ============================================

CREATE TABLE admin_user (
    id SERIAL PRIMARY KEY,
    username VARCHAR(100) NOT NULL UNIQUE,
    password_hash VARCHAR(255) NOT NULL,
    email VARCHAR(255),
    totp_secret VARCHAR(32),          -- Optional 2FA
    totp_enabled BOOLEAN DEFAULT false,
    failed_attempts INTEGER DEFAULT 0,
    locked_until TIMESTAMP WITH TIME ZONE,
    created_at TIMESTAMP WITH TIME ZONE DEFAULT NOW(),
    updated_at TIMESTAMP WITH TIME ZONE DEFAULT NOW(),
    last_login TIMESTAMP WITH TIME ZONE
);

CREATE TABLE sessions (
    token VARCHAR(64) PRIMARY KEY,
    user_id INTEGER NOT NULL REFERENCES admin_user(id) ON DELETE CASCADE,
    created_at TIMESTAMP WITH TIME ZONE DEFAULT NOW(),
    expires_at TIMESTAMP WITH TIME ZONE NOT NULL,
    ip_address INET,
    user_agent TEXT,
    is_active BOOLEAN DEFAULT true
);

CREATE INDEX idx_sessions_user_id ON sessions(user_id);
CREATE INDEX idx_sessions_expires_at ON sessions(expires_at);

CREATE TABLE allowed_subnets (
    id SERIAL PRIMARY KEY,
    cidr VARCHAR(50) NOT NULL,
    description VARCHAR(255),
    enabled BOOLEAN DEFAULT true,
    created_at TIMESTAMP WITH TIME ZONE DEFAULT NOW()
);

-- ============================================
-- SYSTEM CONFIGURATION
-- ============================================

CREATE TABLE settings (
    key VARCHAR(100) PRIMARY KEY,
    value JSONB NOT NULL,
    category VARCHAR(50) NOT NULL DEFAULT 'general',
    description TEXT,
    is_secret BOOLEAN DEFAULT false,  -- Encrypt value if true
    updated_at TIMESTAMP WITH TIME ZONE DEFAULT NOW(),
    updated_by INTEGER REFERENCES admin_user(id)
);

CREATE INDEX idx_settings_category ON settings(category);

CREATE TABLE system_config (
    id SERIAL PRIMARY KEY,
    config_type VARCHAR(50) NOT NULL UNIQUE,
    config JSONB NOT NULL,
    encrypted_fields TEXT[],  -- List of JSONB paths that are encrypted
    created_at TIMESTAMP WITH TIME ZONE DEFAULT NOW(),
    updated_at TIMESTAMP WITH TIME ZONE DEFAULT NOW()
);

-- Config types: 'nfs', 'docker', 'email', 'management', 'security'

CREATE TABLE encryption_keys (
    id SERIAL PRIMARY KEY,
    key_id VARCHAR(50) NOT NULL UNIQUE,
    encrypted_key BYTEA NOT NULL,  -- Encrypted with master key
    algorithm VARCHAR(20) DEFAULT 'AES-256-GCM',
    created_at TIMESTAMP WITH TIME ZONE DEFAULT NOW(),
    rotated_at TIMESTAMP WITH TIME ZONE,
    is_active BOOLEAN DEFAULT true
);

-- ============================================
-- NOTIFICATION SYSTEM
-- ============================================

CREATE TABLE notification_services (
    id SERIAL PRIMARY KEY,
    name VARCHAR(100) NOT NULL,
    service_type VARCHAR(50) NOT NULL,  -- 'apprise', 'ntfy', 'email', 'webhook'
    enabled BOOLEAN DEFAULT true,
    config JSONB NOT NULL,  -- Service-specific configuration (encrypted if contains secrets)
    priority INTEGER DEFAULT 0,  -- Higher = preferred
    last_test TIMESTAMP WITH TIME ZONE,
    last_test_result VARCHAR(20),  -- 'success', 'failed', 'pending'
    last_test_error TEXT,
    created_at TIMESTAMP WITH TIME ZONE DEFAULT NOW(),
    updated_at TIMESTAMP WITH TIME ZONE DEFAULT NOW()
);

-- Apprise service config example:
-- {"url": "slack://token", "tags": ["critical"]}
-- NTFY config example:
-- {"server": "https://ntfy.sh", "topic": "n8n-alerts", "priority": "high"}
-- Email config example:
-- {"provider": "gmail_relay", "smtp_host": "smtp-relay.gmail.com", "from_email": "alerts@company.com"}

CREATE TABLE notification_rules (
    id SERIAL PRIMARY KEY,
    name VARCHAR(100) NOT NULL,
    enabled BOOLEAN DEFAULT true,
    event_type VARCHAR(100) NOT NULL,  -- e.g., 'backup.failed', 'container.unhealthy'
    event_pattern VARCHAR(255),  -- Optional regex for sub-matching
    service_id INTEGER NOT NULL REFERENCES notification_services(id) ON DELETE CASCADE,
    priority VARCHAR(20) DEFAULT 'normal',  -- 'low', 'normal', 'high', 'critical'
    conditions JSONB,  -- Additional conditions: time_range, cooldown, severity_threshold
    custom_title VARCHAR(500),
    custom_message TEXT,
    include_details BOOLEAN DEFAULT true,
    cooldown_minutes INTEGER DEFAULT 0,  -- Minimum time between notifications
    last_triggered TIMESTAMP WITH TIME ZONE,
    sort_order INTEGER DEFAULT 0,
    created_at TIMESTAMP WITH TIME ZONE DEFAULT NOW(),
    updated_at TIMESTAMP WITH TIME ZONE DEFAULT NOW()
);

CREATE INDEX idx_notification_rules_event_type ON notification_rules(event_type);
CREATE INDEX idx_notification_rules_service_id ON notification_rules(service_id);

CREATE TABLE notification_history (
    id SERIAL PRIMARY KEY,
    event_type VARCHAR(100) NOT NULL,
    event_data JSONB,
    severity VARCHAR(20),  -- 'info', 'warning', 'error', 'critical'
    service_id INTEGER REFERENCES notification_services(id) ON DELETE SET NULL,
    service_name VARCHAR(100),  -- Denormalized for history
    rule_id INTEGER REFERENCES notification_rules(id) ON DELETE SET NULL,
    status VARCHAR(20) NOT NULL,  -- 'pending', 'sent', 'failed', 'skipped'
    sent_at TIMESTAMP WITH TIME ZONE,
    error_message TEXT,
    retry_count INTEGER DEFAULT 0,
    next_retry TIMESTAMP WITH TIME ZONE,
    created_at TIMESTAMP WITH TIME ZONE DEFAULT NOW()
);

CREATE INDEX idx_notification_history_event_type ON notification_history(event_type);
CREATE INDEX idx_notification_history_status ON notification_history(status);
CREATE INDEX idx_notification_history_created_at ON notification_history(created_at);

CREATE TABLE notification_batch (
    id SERIAL PRIMARY KEY,
    batch_key VARCHAR(255) NOT NULL,  -- Grouping key for batching similar events
    event_type VARCHAR(100) NOT NULL,
    event_count INTEGER DEFAULT 1,
    first_event TIMESTAMP WITH TIME ZONE DEFAULT NOW(),
    last_event TIMESTAMP WITH TIME ZONE DEFAULT NOW(),
    events_data JSONB,  -- Array of event details
    status VARCHAR(20) DEFAULT 'collecting',  -- 'collecting', 'sent', 'failed'
    sent_at TIMESTAMP WITH TIME ZONE
);

CREATE INDEX idx_notification_batch_key ON notification_batch(batch_key);

-- ============================================
-- BACKUP SYSTEM
-- ============================================

CREATE TABLE backup_schedules (
    id SERIAL PRIMARY KEY,
    name VARCHAR(100) NOT NULL,
    backup_type VARCHAR(50) NOT NULL,  -- 'postgres_full', 'postgres_n8n', 'n8n_config', 'flows'
    enabled BOOLEAN DEFAULT true,
    frequency VARCHAR(20) NOT NULL,  -- 'hourly', 'daily', 'weekly', 'monthly'
    hour INTEGER CHECK (hour >= 0 AND hour <= 23),
    minute INTEGER DEFAULT 0 CHECK (minute >= 0 AND minute <= 59),
    day_of_week INTEGER CHECK (day_of_week >= 0 AND day_of_week <= 6),  -- 0=Monday
    day_of_month INTEGER CHECK (day_of_month >= 1 AND day_of_month <= 28),
    timezone VARCHAR(50) DEFAULT 'UTC',
    compression VARCHAR(20) DEFAULT 'gzip',  -- 'none', 'gzip', 'zstd'
    apscheduler_job_id VARCHAR(200),
    last_run TIMESTAMP WITH TIME ZONE,
    next_run TIMESTAMP WITH TIME ZONE,
    created_at TIMESTAMP WITH TIME ZONE DEFAULT NOW(),
    updated_at TIMESTAMP WITH TIME ZONE DEFAULT NOW()
);

CREATE TABLE retention_policies (
    id SERIAL PRIMARY KEY,
    backup_type VARCHAR(50) NOT NULL UNIQUE,
    keep_hourly INTEGER DEFAULT 24,
    keep_daily INTEGER DEFAULT 7,
    keep_weekly INTEGER DEFAULT 4,
    keep_monthly INTEGER DEFAULT 12,
    max_total_size_gb INTEGER,  -- Optional max storage limit
    updated_at TIMESTAMP WITH TIME ZONE DEFAULT NOW()
);

CREATE TABLE backup_history (
    id SERIAL PRIMARY KEY,
    backup_type VARCHAR(50) NOT NULL,
    schedule_id INTEGER REFERENCES backup_schedules(id) ON DELETE SET NULL,
    filename VARCHAR(500) NOT NULL,
    filepath VARCHAR(1000) NOT NULL,
    storage_location VARCHAR(50) DEFAULT 'local',  -- 'local', 'nfs'
    file_size BIGINT,
    compressed_size BIGINT,
    compression VARCHAR(20),
    checksum VARCHAR(64),  -- SHA-256
    checksum_algorithm VARCHAR(20) DEFAULT 'sha256',
    started_at TIMESTAMP WITH TIME ZONE NOT NULL,
    completed_at TIMESTAMP WITH TIME ZONE,
    duration_seconds INTEGER,
    status VARCHAR(20) NOT NULL,  -- 'running', 'success', 'failed', 'partial'
    error_message TEXT,
    -- Verification
    verification_status VARCHAR(20) DEFAULT 'pending',  -- 'pending', 'passed', 'failed', 'skipped'
    verification_date TIMESTAMP WITH TIME ZONE,
    verification_details JSONB,
    -- Retention
    retention_category VARCHAR(20),  -- 'hourly', 'daily', 'weekly', 'monthly'
    expires_at TIMESTAMP WITH TIME ZONE,
    deleted_at TIMESTAMP WITH TIME ZONE,
    deleted_by VARCHAR(50),  -- 'retention_policy', 'manual', 'storage_limit'
    -- Metadata
    postgres_version VARCHAR(20),
    database_name VARCHAR(100),
    table_count INTEGER,
    row_counts JSONB,  -- {"workflow": 150, "credentials": 25, ...}
    created_at TIMESTAMP WITH TIME ZONE DEFAULT NOW()
);

CREATE INDEX idx_backup_history_type ON backup_history(backup_type);
CREATE INDEX idx_backup_history_status ON backup_history(status);
CREATE INDEX idx_backup_history_created_at ON backup_history(created_at);
CREATE INDEX idx_backup_history_expires_at ON backup_history(expires_at) WHERE deleted_at IS NULL;

CREATE TABLE verification_schedule (
    id SERIAL PRIMARY KEY,
    enabled BOOLEAN DEFAULT true,
    frequency VARCHAR(20) NOT NULL DEFAULT 'weekly',  -- 'daily', 'weekly', 'monthly'
    day_of_week INTEGER DEFAULT 0,  -- 0=Monday
    hour INTEGER DEFAULT 3,  -- 3 AM
    verify_latest_count INTEGER DEFAULT 5,  -- Verify N most recent backups
    apscheduler_job_id VARCHAR(200),
    last_run TIMESTAMP WITH TIME ZONE,
    next_run TIMESTAMP WITH TIME ZONE,
    updated_at TIMESTAMP WITH TIME ZONE DEFAULT NOW()
);

-- ============================================
-- MIGRATION STATE (v2 to v3)
-- ============================================

CREATE TABLE migration_state (
    id SERIAL PRIMARY KEY,
    version VARCHAR(20) NOT NULL,
    phase VARCHAR(50) NOT NULL,
    status VARCHAR(20) NOT NULL,  -- 'pending', 'in_progress', 'completed', 'failed', 'rolled_back'
    started_at TIMESTAMP WITH TIME ZONE,
    completed_at TIMESTAMP WITH TIME ZONE,
    pre_migration_backup_id INTEGER REFERENCES backup_history(id),
    details JSONB,
    error_message TEXT,
    rollback_available BOOLEAN DEFAULT true,
    rollback_expires TIMESTAMP WITH TIME ZONE  -- 30 days after migration
);

-- ============================================
-- APSCHEDULER JOB STORE
-- ============================================

CREATE TABLE apscheduler_jobs (
    id VARCHAR(191) PRIMARY KEY,
    next_run_time DOUBLE PRECISION,
    job_state BYTEA NOT NULL
);

CREATE INDEX idx_apscheduler_next_run ON apscheduler_jobs(next_run_time);

-- ============================================
-- EMAIL SYSTEM
-- ============================================

CREATE TABLE email_templates (
    id SERIAL PRIMARY KEY,
    template_key VARCHAR(100) NOT NULL UNIQUE,
    name VARCHAR(200) NOT NULL,
    description TEXT,
    subject VARCHAR(500) NOT NULL,
    html_body TEXT NOT NULL,
    text_body TEXT,  -- Plain text fallback
    variables JSONB,  -- Expected variables: {"backup_name": "string", "status": "string"}
    category VARCHAR(50) DEFAULT 'system',
    enabled BOOLEAN DEFAULT true,
    updated_at TIMESTAMP WITH TIME ZONE DEFAULT NOW()
);

-- Default templates: backup_success, backup_failed, verification_failed,
-- container_alert, disk_warning, test_email, welcome

CREATE TABLE email_test_history (
    id SERIAL PRIMARY KEY,
    provider VARCHAR(50) NOT NULL,
    provider_config JSONB,  -- Sanitized (no passwords)
    recipient VARCHAR(255) NOT NULL,
    template_key VARCHAR(100),
    status VARCHAR(20) NOT NULL,  -- 'success', 'failed'
    response_time_ms INTEGER,
    error_message TEXT,
    smtp_response TEXT,
    tested_by INTEGER REFERENCES admin_user(id),
    tested_at TIMESTAMP WITH TIME ZONE DEFAULT NOW()
);

-- ============================================
-- AUDIT LOG
-- ============================================

CREATE TABLE audit_log (
    id SERIAL PRIMARY KEY,
    user_id INTEGER REFERENCES admin_user(id) ON DELETE SET NULL,
    username VARCHAR(100),  -- Denormalized
    action VARCHAR(100) NOT NULL,
    resource_type VARCHAR(50),
    resource_id VARCHAR(100),
    details JSONB,
    ip_address INET,
    user_agent TEXT,
    created_at TIMESTAMP WITH TIME ZONE DEFAULT NOW()
);

CREATE INDEX idx_audit_log_user_id ON audit_log(user_id);
CREATE INDEX idx_audit_log_action ON audit_log(action);
CREATE INDEX idx_audit_log_created_at ON audit_log(created_at);

-- Partition audit log by month for performance (optional)
-- CREATE TABLE audit_log_2024_01 PARTITION OF audit_log
--     FOR VALUES FROM ('2024-01-01') TO ('2024-02-01');

-- ============================================
-- CONTAINER MONITORING CACHE
-- ============================================

CREATE TABLE container_status_cache (
    container_name VARCHAR(100) PRIMARY KEY,
    container_id VARCHAR(64),
    status VARCHAR(20),  -- 'running', 'stopped', 'restarting', 'unhealthy'
    health VARCHAR(20),  -- 'healthy', 'unhealthy', 'none'
    started_at TIMESTAMP WITH TIME ZONE,
    image VARCHAR(255),
    cpu_percent DOUBLE PRECISION,
    memory_usage BIGINT,
    memory_limit BIGINT,
    network_rx BIGINT,
    network_tx BIGINT,
    last_updated TIMESTAMP WITH TIME ZONE DEFAULT NOW()
);

-- ============================================
-- HOST SYSTEM METRICS CACHE
-- ============================================

CREATE TABLE system_metrics_cache (
    id SERIAL PRIMARY KEY,
    metric_type VARCHAR(50) NOT NULL,  -- 'cpu', 'memory', 'disk', 'network', 'nfs'
    metric_data JSONB NOT NULL,
    collected_at TIMESTAMP WITH TIME ZONE DEFAULT NOW()
);

CREATE INDEX idx_system_metrics_type ON system_metrics_cache(metric_type);
CREATE INDEX idx_system_metrics_collected ON system_metrics_cache(collected_at);

-- Keep only recent metrics (cleanup job removes older than 24h)
