SET ROLE tonnage_owner;

-- A subject is the SHA-256 of "place:<mail> <address>", "address:<address>" or "account:<mail>".
-- A place is known from a login that was right; a stranger's guesses elsewhere do not touch it.
ALTER TABLE login_throttles ADD COLUMN proved_at TIMESTAMP WITH TIME ZONE;
-- An account has a bucket of attempts instead of a growing wait: it is full again at this time.
ALTER TABLE login_throttles ADD COLUMN full_at TIMESTAMP WITH TIME ZONE;
-- An account's counter was one for all addresses and becomes a bucket.
DELETE FROM login_throttles;
CREATE INDEX idx_login_throttles_age ON login_throttles (last_failed_at);

RESET ROLE;
