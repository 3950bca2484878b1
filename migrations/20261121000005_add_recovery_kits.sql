-- When a recovery kit was made, and of what: the hash tells when it is outdated. Only additions.
CREATE TABLE recovery_kits (
    id SERIAL PRIMARY KEY,
    created_at TIMESTAMP WITH TIME ZONE NOT NULL,
    fingerprint VARCHAR(64) NOT NULL,
    requested_by INTEGER REFERENCES admin_user(id) ON DELETE SET NULL
);
