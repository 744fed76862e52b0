SET ROLE tonnage_owner;

-- Whether the organization's activity texts may go to a language model.
ALTER TABLE organizations ADD COLUMN ai_matching BOOLEAN NOT NULL DEFAULT true;

-- One row an answered call: what the model wrote, and what it cost. The question itself is not
-- stored: decisions hold the activity and the candidates, and the answers below the question's hash.
CREATE TABLE model_calls (
    id UUID NOT NULL DEFAULT gen_random_uuid(),
    organization_id UUID NOT NULL REFERENCES organizations (id),
    provider TEXT NOT NULL,
    model TEXT NOT NULL,
    prompt_version TEXT NOT NULL,
    raw_answer TEXT NOT NULL,
    outcome TEXT NOT NULL,
    input_tokens INTEGER NOT NULL,
    output_tokens INTEGER NOT NULL,
    cost_usd FLOAT NOT NULL,
    created_at TIMESTAMP WITH TIME ZONE NOT NULL DEFAULT clock_timestamp(),
    PRIMARY KEY (organization_id, id)
);
SELECT protect_tenant_table('model_calls');
GRANT SELECT, INSERT ON model_calls TO tonnage_worker;
GRANT SELECT ON model_calls TO tonnage_app;

-- The choice for one question. The same question is never paid for twice.
CREATE TABLE model_answers (
    organization_id UUID NOT NULL REFERENCES organizations (id),
    question_hash TEXT NOT NULL,
    call_id UUID NOT NULL,
    emission_factor_id UUID, -- NULL: none of the candidates
    created_at TIMESTAMP WITH TIME ZONE NOT NULL DEFAULT clock_timestamp(),
    PRIMARY KEY (organization_id, question_hash),
    FOREIGN KEY (organization_id, call_id) REFERENCES model_calls (organization_id, id) ON DELETE CASCADE
);
SELECT protect_tenant_table('model_answers');
GRANT SELECT, INSERT ON model_answers TO tonnage_worker;
GRANT SELECT ON model_answers TO tonnage_app;
ALTER TABLE decisions ADD COLUMN question_hash TEXT;

-- Spent and reserved for the calls of one organization and day; a reservation that was never
-- settled (its worker died) counts until it expires.
CREATE TABLE model_spend (
    id UUID NOT NULL DEFAULT gen_random_uuid(),
    organization_id UUID NOT NULL REFERENCES organizations (id),
    spent_on DATE NOT NULL,
    tokens BIGINT NOT NULL,
    cost_usd FLOAT NOT NULL,
    reserved_until TIMESTAMP WITH TIME ZONE, -- NULL: settled
    PRIMARY KEY (organization_id, id)
);
CREATE INDEX idx_model_spend_day ON model_spend (organization_id, spent_on);
SELECT protect_tenant_table('model_spend');
GRANT SELECT, INSERT, UPDATE, DELETE ON model_spend TO tonnage_worker;
GRANT SELECT ON model_spend TO tonnage_app;

-- State of the circuit breaker of each provider and model: of the deployment, no tenant's.
CREATE TABLE model_breakers (
    name TEXT PRIMARY KEY,
    failures INTEGER NOT NULL DEFAULT 0,
    first_failure_at TIMESTAMP WITH TIME ZONE,
    opened_at TIMESTAMP WITH TIME ZONE,
    probing_since TIMESTAMP WITH TIME ZONE
);
GRANT SELECT, INSERT, UPDATE ON model_breakers TO tonnage_worker;

RESET ROLE;
