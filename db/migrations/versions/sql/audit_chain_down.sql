SET ROLE tonnage_owner;

DROP TRIGGER audit_events_chain ON audit_events;
DROP TRIGGER audit_events_unchanged ON audit_events;
DROP TRIGGER audit_events_kept ON audit_events;
DROP FUNCTION chain_audit_event();
DROP FUNCTION audit_event_hash(audit_events);
DROP FUNCTION canonical_json(jsonb);
DROP INDEX idx_audit_events_action, idx_audit_events_person, idx_audit_events_sequence;

-- one order for all again, that of the times
UPDATE audit_events e SET sequence = n.number FROM (
    SELECT organization_id, id, row_number() OVER (ORDER BY occurred_at, sequence) AS number
    FROM audit_events) n
    WHERE n.organization_id = e.organization_id AND n.id = e.id;
ALTER TABLE audit_events
    DROP COLUMN previous_hash,
    DROP COLUMN hash,
    ALTER COLUMN sequence SET NOT NULL,
    ALTER COLUMN sequence ADD GENERATED ALWAYS AS IDENTITY;
SELECT setval(pg_get_serial_sequence('audit_events', 'sequence'),
              coalesce((SELECT max(sequence) FROM audit_events), 0) + 1, false);

DROP POLICY chain ON audit_events;
DROP TABLE audit_heads;
CREATE TRIGGER audit_events_append_only BEFORE UPDATE OR DELETE ON audit_events
    FOR EACH ROW EXECUTE FUNCTION refuse_change();
REVOKE INSERT ON audit_events FROM tonnage_app, tonnage_worker, tonnage_platform;
GRANT INSERT ON audit_events TO tonnage_app, tonnage_worker;
GRANT INSERT, UPDATE, DELETE ON audit_events TO tonnage_platform;

RESET ROLE;
