SET ROLE tonnage_owner;

DROP TABLE webhook_attempts, webhook_deliveries, webhook_events, webhook_secrets, webhooks;

RESET ROLE;
