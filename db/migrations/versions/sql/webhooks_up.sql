SET ROLE tonnage_owner;

-- Where an organization wants to be told of events.
CREATE TABLE webhooks (
    id UUID NOT NULL DEFAULT gen_random_uuid(),
    organization_id UUID NOT NULL REFERENCES organizations (id),
    created_by UUID NOT NULL REFERENCES users (id),
    url TEXT NOT NULL CHECK (length(url) <= 2000),
    events TEXT[] NOT NULL CHECK (cardinality(events) > 0),
    description TEXT,
    enabled BOOLEAN NOT NULL DEFAULT true,
    disabled_by TEXT CHECK (disabled_by IN ('person', 'gone', 'failures')),
    disabled_at TIMESTAMP WITH TIME ZONE,
    consecutive_failures INTEGER NOT NULL DEFAULT 0, -- events in a row that could not be delivered
    created_at TIMESTAMP WITH TIME ZONE NOT NULL DEFAULT NOW(),
    updated_at TIMESTAMP WITH TIME ZONE NOT NULL DEFAULT NOW(),
    deleted_at TIMESTAMP WITH TIME ZONE,
    PRIMARY KEY (organization_id, id),
    CHECK (enabled = (disabled_by IS NULL))
);
CREATE INDEX idx_webhooks_age ON webhooks (organization_id, created_at, id)
    WHERE deleted_at IS NULL;

-- Secrets sign, so they are sealed and not hashed. The API may add one and never read one.
CREATE TABLE webhook_secrets (
    id UUID NOT NULL DEFAULT gen_random_uuid(),
    organization_id UUID NOT NULL REFERENCES organizations (id),
    webhook_id UUID NOT NULL,
    sealed BYTEA NOT NULL,
    created_at TIMESTAMP WITH TIME ZONE NOT NULL DEFAULT NOW(),
    expires_at TIMESTAMP WITH TIME ZONE, -- NULL: the present one
    PRIMARY KEY (organization_id, id),
    FOREIGN KEY (organization_id, webhook_id) REFERENCES webhooks (organization_id, id)
        ON DELETE CASCADE
);
CREATE UNIQUE INDEX idx_webhook_secrets_present ON webhook_secrets (organization_id, webhook_id)
    WHERE expires_at IS NULL;
CREATE INDEX idx_webhook_secrets_webhook ON webhook_secrets (organization_id, webhook_id);

-- The outbox: written in the transaction of what an event tells of. The payload is kept as it is
-- sent, byte for byte: every attempt signs the same.
CREATE TABLE webhook_events (
    id UUID NOT NULL DEFAULT gen_random_uuid(),
    organization_id UUID NOT NULL REFERENCES organizations (id),
    type TEXT NOT NULL,
    payload TEXT NOT NULL CHECK (octet_length(payload) < 20000),
    created_at TIMESTAMP WITH TIME ZONE NOT NULL DEFAULT NOW(),
    PRIMARY KEY (organization_id, id)
);

-- One event for one endpoint. `attempts_before`: those before the last time it was sent anew.
CREATE TABLE webhook_deliveries (
    id UUID NOT NULL DEFAULT gen_random_uuid(),
    organization_id UUID NOT NULL REFERENCES organizations (id),
    webhook_id UUID NOT NULL,
    event_id UUID NOT NULL,
    event_type TEXT NOT NULL,
    status TEXT NOT NULL DEFAULT 'pending' CHECK (status IN ('pending', 'delivered', 'failed')),
    attempts INTEGER NOT NULL DEFAULT 0,
    attempts_before INTEGER NOT NULL DEFAULT 0,
    last_status_code INTEGER,
    due_at TIMESTAMP WITH TIME ZONE NOT NULL DEFAULT NOW(), -- of the next attempt
    ended_at TIMESTAMP WITH TIME ZONE,
    created_at TIMESTAMP WITH TIME ZONE NOT NULL DEFAULT NOW(),
    updated_at TIMESTAMP WITH TIME ZONE NOT NULL DEFAULT NOW(),
    PRIMARY KEY (organization_id, id),
    UNIQUE (organization_id, event_id, webhook_id),
    FOREIGN KEY (organization_id, webhook_id) REFERENCES webhooks (organization_id, id)
        ON DELETE CASCADE,
    FOREIGN KEY (organization_id, event_id) REFERENCES webhook_events (organization_id, id)
        ON DELETE CASCADE
);
CREATE INDEX idx_webhook_deliveries_age
    ON webhook_deliveries (organization_id, webhook_id, created_at DESC, id DESC);
CREATE INDEX idx_webhook_deliveries_due ON webhook_deliveries (due_at) WHERE status = 'pending';

-- Of an answer only status and duration are kept: the body is none of the tenant's business.
CREATE TABLE webhook_attempts (
    organization_id UUID NOT NULL REFERENCES organizations (id),
    delivery_id UUID NOT NULL,
    number INTEGER NOT NULL,
    status_code INTEGER,
    duration_ms INTEGER NOT NULL,
    attempted_at TIMESTAMP WITH TIME ZONE NOT NULL DEFAULT NOW(),
    PRIMARY KEY (organization_id, delivery_id, number),
    FOREIGN KEY (organization_id, delivery_id) REFERENCES webhook_deliveries (organization_id, id)
        ON DELETE CASCADE
);

SELECT protect_tenant_table(t::regclass) FROM unnest(ARRAY['webhooks', 'webhook_secrets',
    'webhook_events', 'webhook_deliveries', 'webhook_attempts']) t;

GRANT SELECT ON webhooks, webhook_events, webhook_deliveries, webhook_attempts
    TO tonnage_app, tonnage_worker;
GRANT SELECT ON webhook_secrets TO tonnage_worker;
GRANT SELECT (organization_id, id, webhook_id, created_at, expires_at) ON webhook_secrets
    TO tonnage_app;
GRANT INSERT ON webhooks, webhook_secrets, webhook_events, webhook_deliveries TO tonnage_app;
GRANT UPDATE (url, events, description, enabled, disabled_by, disabled_at, consecutive_failures,
    deleted_at) ON webhooks TO tonnage_app;
GRANT UPDATE (expires_at) ON webhook_secrets TO tonnage_app;
GRANT UPDATE (status, attempts_before, due_at, ended_at) ON webhook_deliveries TO tonnage_app;
GRANT INSERT ON webhook_events, webhook_deliveries, webhook_attempts TO tonnage_worker;
GRANT UPDATE (enabled, disabled_by, disabled_at, consecutive_failures) ON webhooks
    TO tonnage_worker;
GRANT UPDATE (status, attempts, last_status_code, due_at, ended_at) ON webhook_deliveries
    TO tonnage_worker;

CREATE TRIGGER touch_updated_at BEFORE UPDATE ON webhooks
    FOR EACH ROW EXECUTE FUNCTION touch_updated_at();
CREATE TRIGGER touch_updated_at BEFORE UPDATE ON webhook_deliveries
    FOR EACH ROW EXECUTE FUNCTION touch_updated_at();

RESET ROLE;
