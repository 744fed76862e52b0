"""What the pipeline counts, through Temporal's own meter: one endpoint a worker shows it all.

The names and labels are documented in docs/observability.md; labels never name a tenant.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence

from temporalio import activity

from core.records import Decision

ROWS = "tonnage_rows"
FILES = "tonnage_files"
REPORTS = "tonnage_reports"
DECISIONS = "tonnage_match_decisions"
MODEL_CALLS = "tonnage_model_calls"
MODEL_TOKENS = "tonnage_model_tokens"
MODEL_COST = "tonnage_model_cost_microusd"

# metric → what it tells
DESCRIPTIONS = {
    ROWS: "Rows that a stage has finished with, by stage and outcome",
    FILES: "Files that have ended, by outcome",
    REPORTS: "Reports that have ended, by outcome",
    DECISIONS: "Decisions on distinct activities, by method and outcome",
    MODEL_CALLS: "Calls of the language model, by outcome",
    MODEL_TOKENS: "Tokens that the language model's server counted, by direction",
    MODEL_COST: "What those calls cost by the configured prices, in millionths of a US dollar",
}


def count(name: str, amount: int = 1, **labels: str) -> None:
    """Add to a counter; outside an activity nothing is counted."""
    if amount > 0 and activity.in_activity():
        meter = activity.metric_meter()
        meter.create_counter(name, DESCRIPTIONS[name]).add(amount, labels)


def count_decisions(decisions: Sequence[Decision]) -> None:
    """Add decisions by who made them and whether they were sure."""
    found = Counter((decision.method.value, decision.outcome.value) for decision in decisions)
    for (method, outcome), amount in found.items():
        count(DECISIONS, amount, method=method, outcome=outcome)


def count_model_call(
    outcome: str, *, input_tokens: int = 0, output_tokens: int = 0, usd: float = 0.0
) -> None:
    """Add a call of the language model and what it took."""
    count(MODEL_CALLS, outcome=outcome)
    count(MODEL_TOKENS, input_tokens, direction="input")
    count(MODEL_TOKENS, output_tokens, direction="output")
    count(MODEL_COST, round(usd * 1_000_000))
