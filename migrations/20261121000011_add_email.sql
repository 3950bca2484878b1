-- E-mail: which templates somebody edited, and what a test came to.

-- A template that nobody edited follows the defaults of the version that runs.
ALTER TABLE email_templates ADD COLUMN is_customized BOOLEAN NOT NULL DEFAULT FALSE;
ALTER TABLE email_templates ADD COLUMN updated_by INTEGER REFERENCES admin_user(id) ON DELETE SET NULL;

ALTER TABLE email_test_history ADD COLUMN smtp_code INTEGER;
ALTER TABLE email_test_history ADD COLUMN message_id UUID;
