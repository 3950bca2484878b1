-- What a service was sent, as text and without its secrets, so that a message that looks wrong there can be understood here.
ALTER TABLE notification_history ADD COLUMN payload TEXT;
