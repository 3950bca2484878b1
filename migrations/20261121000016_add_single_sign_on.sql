-- Single sign-on for the tools beside Flowkeep. Only additions.

-- A tool that nginx guards. nginx names it by its slug, in its own configuration.
CREATE TABLE sso_services (
    slug VARCHAR(40) PRIMARY KEY,
    name VARCHAR(100) NOT NULL,
    -- Host name, with its port if that is not the usual one.
    host VARCHAR(260) NOT NULL,
    -- Where on that host it is; only for links and for the way back.
    path_prefix VARCHAR(200) NOT NULL DEFAULT '/',
    -- Where nginx finds it; only for the configuration that Flowkeep shows.
    upstream VARCHAR(300) NOT NULL DEFAULT 'http://127.0.0.1:8080',
    is_enabled BOOLEAN NOT NULL DEFAULT TRUE,
    requires_step_up BOOLEAN NOT NULL DEFAULT FALSE,
    step_up_minutes INTEGER NOT NULL DEFAULT 30 CHECK (step_up_minutes BETWEEN 1 AND 1440),
    -- What Dozzle reads: rights, with commas between, and a filter of containers.
    remote_roles VARCHAR(100) NOT NULL DEFAULT 'none',
    remote_filter VARCHAR(500),
    created_at TIMESTAMP WITH TIME ZONE NOT NULL DEFAULT NOW(),
    updated_at TIMESTAMP WITH TIME ZONE NOT NULL DEFAULT NOW(),
    CONSTRAINT sso_services_slug_check CHECK (slug ~ '^[a-z0-9]([a-z0-9-]*[a-z0-9])?$')
);

-- The cookie of the parent domain: it only ever opens tools, and ends with its session.
CREATE TABLE sso_sessions (
    session_id UUID PRIMARY KEY REFERENCES sessions(id) ON DELETE CASCADE,
    -- SHA-256 of its token in hexadecimal.
    token_hash VARCHAR(64) NOT NULL CONSTRAINT sso_sessions_token_hash_key UNIQUE,
    parent_domain VARCHAR(253) NOT NULL,
    created_at TIMESTAMP WITH TIME ZONE NOT NULL
);

-- What a session did with a service.
CREATE TABLE sso_access (
    session_id UUID NOT NULL REFERENCES sessions(id) ON DELETE CASCADE,
    service_slug VARCHAR(40) NOT NULL REFERENCES sso_services(slug) ON DELETE CASCADE,
    first_visit_at TIMESTAMP WITH TIME ZONE,
    stepped_up_at TIMESTAMP WITH TIME ZONE,
    PRIMARY KEY (session_id, service_slug)
);
CREATE INDEX idx_sso_access_service_slug ON sso_access(service_slug);
