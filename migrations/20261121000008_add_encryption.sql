-- 'age' where a backup's file is encrypted in that tool's format. Only additions.
ALTER TABLE backup_history ADD COLUMN encryption VARCHAR(20);
