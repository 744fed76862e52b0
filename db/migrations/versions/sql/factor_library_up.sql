SET ROLE tonnage_owner;

-- Where a release comes from, in full; what the data describe apart from when they were published.
ALTER TABLE factor_releases
    ADD COLUMN data_year INTEGER,
    ADD COLUMN file_name TEXT NOT NULL DEFAULT '',
    ADD COLUMN file_sha256 TEXT NOT NULL DEFAULT '',
    ADD COLUMN note TEXT NOT NULL DEFAULT '',
    -- Licences whose terms pass on to whatever contains the figures: a person must see them.
    ADD COLUMN share_alike BOOLEAN NOT NULL DEFAULT false,
    ADD CONSTRAINT supersedes_another CHECK (supersedes <> name);
-- A chain and not a tree: "which release is the one to use now" has one answer.
CREATE UNIQUE INDEX idx_factor_releases_supersedes ON factor_releases (supersedes)
    WHERE supersedes IS NOT NULL;

-- The years for which a source says that its figure may be used. NULL: it does not say.
ALTER TABLE emission_factors
    ADD COLUMN valid_from_year INTEGER,
    ADD COLUMN valid_to_year INTEGER,
    ADD COLUMN created_by UUID REFERENCES users (id),
    ADD CONSTRAINT valid_years CHECK (valid_from_year <= valid_to_year),
    -- PostgreSQL sorts NaN above Infinity, so the second half refuses it too
    ADD CONSTRAINT value_is_finite CHECK (value_per_unit > '-Infinity' AND value_per_unit < 'Infinity');

-- array_to_string is only STABLE because of other types' output functions; of text it is immutable.
CREATE FUNCTION joined_texts(texts TEXT[]) RETURNS TEXT
    LANGUAGE sql IMMUTABLE PARALLEL SAFE SET search_path = pg_catalog
    RETURN array_to_string(texts, ' ');
GRANT EXECUTE ON FUNCTION joined_texts(TEXT[]) TO tonnage_app, tonnage_worker, tonnage_platform;

-- Unstemmed words, for a search box in which a word is still being typed: 'electrici' is a prefix
-- of 'electricity' but not of its stem.
ALTER TABLE emission_factors ADD COLUMN search_words TSVECTOR GENERATED ALWAYS AS (
    to_tsvector('simple', name || ' ' || category || ' ' || source_id || ' '
                          || joined_texts(search_texts))
) STORED;
CREATE INDEX idx_emission_factors_words ON emission_factors USING GIN (search_words);
CREATE INDEX idx_emission_factors_release_name ON emission_factors (release, name, id)
    WHERE deleted_at IS NULL;

-- A release never changes: figures that were calculated with it stay explained. What may change is
-- whether a factor is still offered (is_active, deleted_at), and its place in an index (embedding).
-- An organization's own factors follow the same rule: a correction is a new factor.
CREATE FUNCTION refuse_factor_change() RETURNS trigger
    LANGUAGE plpgsql SET search_path = pg_catalog AS $$
DECLARE
    may_change CONSTANT TEXT[] := ARRAY['is_active', 'deleted_at', 'updated_at', 'embedding',
                                        'search_language', 'search_vector', 'search_words'];
BEGIN
    IF TG_OP = 'DELETE' THEN
        IF OLD.release IS NOT NULL THEN
            RAISE EXCEPTION 'factors of a release are never deleted; set is_active'
                USING ERRCODE = 'insufficient_privilege';
        END IF;
        RETURN OLD;
    END IF;
    IF to_jsonb(OLD) - may_change IS DISTINCT FROM to_jsonb(NEW) - may_change THEN
        RAISE EXCEPTION 'an emission factor never changes; a correction is a new one'
            USING ERRCODE = 'insufficient_privilege';
    END IF;
    RETURN NEW;
END
$$;
CREATE TRIGGER factor_is_immutable BEFORE UPDATE OR DELETE ON emission_factors
    FOR EACH ROW EXECUTE FUNCTION refuse_factor_change();

-- Of a release itself only its place in the chain may be told later, once.
CREATE FUNCTION refuse_release_change() RETURNS trigger
    LANGUAGE plpgsql SET search_path = pg_catalog AS $$
BEGIN
    IF TG_OP = 'UPDATE' AND OLD.supersedes IS NULL
       AND to_jsonb(OLD) - 'supersedes' = to_jsonb(NEW) - 'supersedes' THEN
        RETURN NEW;
    END IF;
    RAISE EXCEPTION 'a factor release is immutable; a correction is a new release'
        USING ERRCODE = 'insufficient_privilege';
END
$$;
CREATE TRIGGER release_is_immutable BEFORE UPDATE OR DELETE ON factor_releases
    FOR EACH ROW EXECUTE FUNCTION refuse_release_change();
REVOKE EXECUTE ON FUNCTION refuse_factor_change(), refuse_release_change() FROM PUBLIC;

-- The own factors of an organization, one living one of a kind.
CREATE UNIQUE INDEX idx_emission_factors_own ON emission_factors
    (organization_id, lower(name), unit, coalesce(basis, ''), coalesce(region, ''), data_year)
    WHERE organization_id IS NOT NULL AND deleted_at IS NULL AND is_active;

RESET ROLE;
