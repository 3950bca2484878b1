-- An n8n database as it looks after a year: nearly all of it in execution_data.
--   psql -v executions=250000 -f benches/n8n_shape.sql
-- Each execution carries about 5 kB of JSON: names and keys that repeat, ids and amounts that do not.
\set ON_ERROR_STOP on
BEGIN;

CREATE TABLE workflow_entity (
    id varchar(36) PRIMARY KEY,
    name varchar(128) NOT NULL,
    active boolean NOT NULL,
    nodes json NOT NULL,
    connections json NOT NULL,
    settings json,
    "createdAt" timestamptz(3) NOT NULL DEFAULT CURRENT_TIMESTAMP(3),
    "updatedAt" timestamptz(3) NOT NULL DEFAULT CURRENT_TIMESTAMP(3)
);
CREATE TABLE credentials_entity (
    id varchar(36) PRIMARY KEY,
    name varchar(128) NOT NULL,
    data text NOT NULL,
    type varchar(128) NOT NULL,
    "createdAt" timestamptz(3) NOT NULL DEFAULT CURRENT_TIMESTAMP(3),
    "updatedAt" timestamptz(3) NOT NULL DEFAULT CURRENT_TIMESTAMP(3)
);
CREATE TABLE execution_entity (
    id serial PRIMARY KEY,
    finished boolean NOT NULL,
    mode varchar NOT NULL,
    "startedAt" timestamptz(3),
    "stoppedAt" timestamptz(3),
    status varchar NOT NULL,
    "workflowId" varchar(36) NOT NULL REFERENCES workflow_entity ON DELETE CASCADE,
    "createdAt" timestamptz(3) NOT NULL DEFAULT CURRENT_TIMESTAMP(3)
);
CREATE TABLE execution_data (
    "executionId" integer PRIMARY KEY REFERENCES execution_entity ON DELETE CASCADE,
    "workflowData" json NOT NULL,
    data text NOT NULL
);

INSERT INTO workflow_entity (id, name, active, nodes, connections, settings)
SELECT 'workflow' || w, 'Workflow ' || w, w % 3 > 0,
       (SELECT json_agg(json_build_object(
                   'id', md5(w || '-' || n), 'name', 'Step ' || n, 'type', 'n8n-nodes-base.httpRequest',
                   'typeVersion', 4.2, 'position', json_build_array(n * 200, 300),
                   'parameters', json_build_object('url', 'https://api.example.com/orders', 'options', '{}'::json)))
          FROM generate_series(1, 5) n),
       '{"Step 1":{"main":[[{"node":"Step 2","type":"main","index":0}]]}}', '{"executionOrder":"v1"}'
  FROM generate_series(1, 40) w;

INSERT INTO credentials_entity (id, name, data, type)
SELECT 'credential' || c, 'Credential ' || c,
       encode('Salted__'::bytea || decode(md5('c' || c) || md5('d' || c), 'hex'), 'base64'), 'httpHeaderAuth'
  FROM generate_series(1, 20) c;

INSERT INTO execution_entity (id, finished, mode, "startedAt", "stoppedAt", status, "workflowId")
SELECT e, true, 'trigger', at, at + e % 5000 * interval '1 ms',
       CASE WHEN e % 50 = 0 THEN 'error' ELSE 'success' END, 'workflow' || e % 40 + 1
  FROM generate_series(1, :executions) e, LATERAL (SELECT now() - e * interval '2 min' AS at) t;
SELECT setval('execution_entity_id_seq', :executions);

INSERT INTO execution_data ("executionId", "workflowData", data)
SELECT e,
       (SELECT json_build_object('id', w.id, 'name', w.name, 'nodes', w.nodes, 'connections', w.connections)
          FROM workflow_entity w WHERE w.id = 'workflow' || e % 40 + 1),
       '[{"version":1,"startData":"1","resultData":"2"},{},{"runData":"3"},' || items || ']'
  FROM generate_series(1, :executions) e,
       LATERAL (SELECT string_agg(
                   '{"json":{"id":"' || md5(e || '-' || i) || '","customer":"customer' || (e::bigint * 7919 + i * 104729) % 90000
                   || '@example.com","status":"' || (ARRAY['paid', 'open', 'sent', 'late'])[(e + i) % 4 + 1]
                   || '","amount":' || (e::bigint * 31 + i * 977) % 100000 / 100.0 || ',"createdAt":"'
                   || to_char(timestamp '2026-01-01' + (e * 61 + i) * interval '1 s', 'YYYY-MM-DD"T"HH24:MI:SS"Z"')
                   || '"},"pairedItem":{"item":' || i || '}}', ',') AS items
                 FROM generate_series(1, 27) i) AS item;
COMMIT;
VACUUM ANALYZE;
