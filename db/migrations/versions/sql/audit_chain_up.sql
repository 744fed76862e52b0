SET ROLE tonnage_owner;

-- The last link of each organization's chain. Nobody but the trigger below writes it.
CREATE TABLE audit_heads (
    organization_id UUID PRIMARY KEY REFERENCES organizations (id),
    sequence BIGINT NOT NULL,
    hash BYTEA NOT NULL CHECK (octet_length(hash) = 32)
) WITH (fillfactor = 50); -- one hot row, rewritten in place
SELECT protect_tenant_table('audit_heads');
REVOKE ALL ON audit_heads FROM tonnage_platform;
GRANT SELECT ON audit_heads TO tonnage_app, tonnage_worker, tonnage_platform;

-- Forced row-level security binds the owner too, as whom the trigger's function runs.
CREATE POLICY chain ON audit_heads FOR ALL TO tonnage_owner USING (true) WITH CHECK (true);
CREATE POLICY chain ON audit_events FOR ALL TO tonnage_owner USING (true) WITH CHECK (true);

-- Canonical JSON: keys by code point, no blanks, text escaped as little as JSON allows, numbers in
-- plain decimals without trailing zeros. docs/audit.md says it for whoever checks a chain with a
-- program of their own; core/audit.py is the same in Python.
CREATE FUNCTION canonical_json(value jsonb) RETURNS text
    LANGUAGE plpgsql IMMUTABLE STRICT PARALLEL SAFE SET search_path = pg_catalog AS $$
BEGIN
    CASE jsonb_typeof(value)
        WHEN 'object' THEN
            RETURN '{' || coalesce((
                SELECT string_agg(to_jsonb(e.key)::text || ':' || public.canonical_json(e.value), ','
                                  ORDER BY e.key COLLATE "C")
                FROM jsonb_each(value) e), '') || '}';
        WHEN 'array' THEN
            RETURN '[' || coalesce((
                SELECT string_agg(public.canonical_json(e.value), ',' ORDER BY e.ordinality)
                FROM jsonb_array_elements(value) WITH ORDINALITY e), '') || ']';
        WHEN 'number' THEN
            RETURN trim_scale(value::numeric)::text;
        ELSE
            RETURN value::text;
    END CASE;
END
$$;

-- sequence: 1, 2, 3, … in each organization, in the order of commits. Empty only until commit.
ALTER TABLE audit_events
    ALTER COLUMN sequence DROP IDENTITY,
    ALTER COLUMN sequence DROP NOT NULL,
    ADD COLUMN previous_hash BYTEA,
    ADD COLUMN hash BYTEA;

CREATE FUNCTION audit_event_hash(event audit_events) RETURNS bytea
    LANGUAGE sql IMMUTABLE PARALLEL SAFE SET search_path = pg_catalog AS $$
    SELECT sha256(convert_to(public.canonical_json(jsonb_build_object(
        'format', 'tonnage-audit-1',
        'organization_id', event.organization_id,
        'sequence', event.sequence,
        'previous_hash', encode(event.previous_hash, 'hex'),
        'id', event.id,
        'occurred_at', to_char(event.occurred_at AT TIME ZONE 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS.US"Z"'),
        'actor', event.actor,
        'actor_user_id', event.actor_user_id,
        'action', event.action,
        'object_type', event.object_type,
        'object_id', event.object_id,
        'before', event.before,
        'after', event.after,
        'request_id', event.request_id
    )), 'UTF8'))
$$;

-- What is there already: chained in the order in which it was written.
DROP TRIGGER audit_events_append_only ON audit_events;
DO $$
DECLARE
    event audit_events;
    last audit_heads;
BEGIN
    FOR event IN SELECT * FROM audit_events ORDER BY organization_id, sequence LOOP
        IF last.organization_id IS DISTINCT FROM event.organization_id THEN
            last := ROW(event.organization_id, 0, decode(repeat('00', 32), 'hex'));
        END IF;
        event.sequence := last.sequence + 1;
        event.previous_hash := last.hash;
        last := ROW(event.organization_id, event.sequence, audit_event_hash(event));
        UPDATE audit_events SET sequence = last.sequence, previous_hash = event.previous_hash,
            hash = last.hash
            WHERE organization_id = event.organization_id AND id = event.id;
        INSERT INTO audit_heads VALUES (last.*)
            ON CONFLICT (organization_id) DO UPDATE SET sequence = excluded.sequence, hash = excluded.hash;
    END LOOP;
END
$$;

CREATE UNIQUE INDEX idx_audit_events_sequence ON audit_events (organization_id, sequence)
    WHERE sequence IS NOT NULL;
CREATE INDEX idx_audit_events_person ON audit_events (organization_id, actor_user_id, sequence)
    WHERE sequence IS NOT NULL;
CREATE INDEX idx_audit_events_action ON audit_events (organization_id, action, sequence)
    WHERE sequence IS NOT NULL;

-- The next link, made when the writer commits: the head is locked last and for that moment only,
-- wherever in a transaction an event was recorded. A constraint trigger cannot be put off further,
-- and one transaction's events are chained in the order of their recording.
CREATE FUNCTION chain_audit_event() RETURNS trigger
    LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog AS $$
DECLARE
    head public.audit_heads;
BEGIN
    LOOP
        SELECT * INTO head FROM public.audit_heads
            WHERE organization_id = NEW.organization_id FOR UPDATE;
        EXIT WHEN FOUND;
        INSERT INTO public.audit_heads
            VALUES (NEW.organization_id, 0, decode(repeat('00', 32), 'hex'))
            ON CONFLICT (organization_id) DO NOTHING;
    END LOOP;
    NEW.sequence := head.sequence + 1;
    NEW.previous_hash := head.hash;
    NEW.hash := public.audit_event_hash(NEW);
    UPDATE public.audit_events
        SET sequence = NEW.sequence, previous_hash = NEW.previous_hash, hash = NEW.hash
        WHERE organization_id = NEW.organization_id AND id = NEW.id;
    UPDATE public.audit_heads SET sequence = NEW.sequence, hash = NEW.hash
        WHERE organization_id = NEW.organization_id;
    RETURN NULL;
END
$$;
CREATE CONSTRAINT TRIGGER audit_events_chain AFTER INSERT ON audit_events
    DEFERRABLE INITIALLY DEFERRED FOR EACH ROW EXECUTE FUNCTION chain_audit_event();

-- Only what has no place in the chain yet may get one.
CREATE TRIGGER audit_events_unchanged BEFORE UPDATE ON audit_events
    FOR EACH ROW WHEN (OLD.sequence IS NOT NULL) EXECUTE FUNCTION refuse_change();
CREATE TRIGGER audit_events_kept BEFORE DELETE ON audit_events
    FOR EACH ROW EXECUTE FUNCTION refuse_change();

-- Who writes says what happened; when and where in the chain is the database's to say.
REVOKE INSERT, UPDATE, DELETE ON audit_events FROM tonnage_app, tonnage_worker, tonnage_platform;
GRANT INSERT (id, organization_id, actor_user_id, actor, action, object_type, object_id, before,
    after, request_id) ON audit_events TO tonnage_app, tonnage_worker, tonnage_platform;

REVOKE ALL ON FUNCTION canonical_json(jsonb), audit_event_hash(audit_events), chain_audit_event()
    FROM PUBLIC;
GRANT EXECUTE ON FUNCTION canonical_json(jsonb), audit_event_hash(audit_events) TO tonnage_platform;

RESET ROLE;
