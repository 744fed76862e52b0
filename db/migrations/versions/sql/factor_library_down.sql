SET ROLE tonnage_owner;
DROP INDEX idx_emission_factors_own;
DROP TRIGGER release_is_immutable ON factor_releases;
DROP TRIGGER factor_is_immutable ON emission_factors;
DROP FUNCTION refuse_release_change(), refuse_factor_change();
DROP INDEX idx_emission_factors_release_name;
ALTER TABLE emission_factors DROP COLUMN search_words;
DROP FUNCTION joined_texts(TEXT[]);
ALTER TABLE emission_factors
    DROP CONSTRAINT value_is_finite,
    DROP CONSTRAINT valid_years,
    DROP COLUMN created_by,
    DROP COLUMN valid_to_year,
    DROP COLUMN valid_from_year;
DROP INDEX idx_factor_releases_supersedes;
ALTER TABLE factor_releases
    DROP CONSTRAINT supersedes_another,
    DROP COLUMN share_alike,
    DROP COLUMN note,
    DROP COLUMN file_sha256,
    DROP COLUMN file_name,
    DROP COLUMN data_year;
RESET ROLE;
