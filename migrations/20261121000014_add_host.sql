-- The machine: what the samples of a minute are gathered into, and what stands above a threshold.

-- Buckets of 10 minutes and 2 hours. A sample is added once, when it is stored, so a late one only changes its own bucket.
CREATE TABLE system_metrics_rollups (
    resolution_seconds INTEGER NOT NULL,                 -- 600, 7200
    bucket TIMESTAMP WITH TIME ZONE NOT NULL,            -- when it begins
    series VARCHAR(300) NOT NULL,                        -- as in 'cpu.percent', 'disk.used:/'
    samples INTEGER NOT NULL,
    total DOUBLE PRECISION NOT NULL,
    highest DOUBLE PRECISION NOT NULL,
    last_value DOUBLE PRECISION NOT NULL,
    last_at TIMESTAMP WITH TIME ZONE NOT NULL,
    PRIMARY KEY (resolution_seconds, bucket, series)
);

-- What is watched, as it stood when it was last looked at: a restart neither repeats nor forgets an alert.
CREATE TABLE system_conditions (
    name VARCHAR(300) PRIMARY KEY,                       -- as in 'cpu', 'disk_warning:/', 'share:/mnt/nas', 'n8n'
    state VARCHAR(20) NOT NULL,                          -- 'normal', 'raised'; 'connected', 'disconnected', 'error'
    pending VARCHAR(20),                                 -- the state that it seems to change to
    pending_since TIMESTAMP WITH TIME ZONE,
    seen_at TIMESTAMP WITH TIME ZONE NOT NULL,
    changed_at TIMESTAMP WITH TIME ZONE NOT NULL,
    value DOUBLE PRECISION,
    detail TEXT
);
