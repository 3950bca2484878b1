#!/bin/sh
# At PostgreSQL's first start: a database and a role for n8n and for Flowkeep, neither of which may touch the other's.
set -eu
psql --no-psqlrc --quiet --set=ON_ERROR_STOP=1 --username="${POSTGRES_USER:-postgres}" --dbname=postgres \
  --set=n8n="$N8N_DATABASE_PASSWORD" --set=flowkeep="$FLOWKEEP_DATABASE_PASSWORD" <<'SQL'
CREATE ROLE n8n LOGIN PASSWORD :'n8n';
CREATE DATABASE n8n OWNER n8n;
REVOKE CONNECT ON DATABASE n8n FROM PUBLIC;
CREATE ROLE flowkeep LOGIN PASSWORD :'flowkeep';
CREATE DATABASE n8n_management OWNER flowkeep;
REVOKE CONNECT ON DATABASE n8n_management FROM PUBLIC;
-- A restore makes a new database beside n8n's own and swaps their names.
ALTER ROLE n8n CREATEDB;
SQL
