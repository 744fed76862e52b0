"""The activities of each task queue, put together with what they work on."""

from __future__ import annotations

import threading
from collections.abc import Callable, Sequence
from functools import partial
from typing import Any, TypeAlias

from sqlalchemy import Engine
from temporalio.client import Client

from core.ports import Deliveries, Pipeline, Storage
from runtime import temporal
from runtime.deliveries import DeliveryStarter
from runtime.settings import DatabaseRole, Settings
from runtime.wiring import make_role_engine, make_scanner, make_storage
from workflows import options

# Activities, and what closes their connections.
ActivitySet: TypeAlias = tuple[Sequence[Callable[..., Any]], Callable[[], None]]

# Progress is mirrored by local activities, which count apart from the slots.
LOCAL_SLOTS = 10
# The largest workbook that is accepted takes about twenty seconds to check.
CHECK_TIMEOUT_S = 120


def activities_of(queue: str, settings: Settings, client: Client) -> ActivitySet:
    """Build the activities of `queue`; return them and what closes their connections.

    Imported here and not above: the matching worker alone loads the embedding model.
    """
    if queue == options.PIPELINE_QUEUE:
        return _pipeline_activities(settings, client)
    if queue == options.MATCHING_QUEUE:
        return _matching_activities(settings)
    if queue == options.REPORTS_QUEUE:
        return _report_activities(settings, client, settings.report_slots)
    if queue == options.PDF_QUEUE:
        return _report_activities(settings, client, settings.pdf_slots)
    if queue == options.WEBHOOKS_QUEUE:
        return _webhook_activities(settings, client)
    raise ValueError(f"no such task queue: {queue}")


def _pipeline_activities(settings: Settings, client: Client) -> ActivitySet:
    engine = make_role_engine(
        settings,
        DatabaseRole.WORKER,
        "tonnage-pipeline",
        pool_size=settings.pipeline_slots + LOCAL_SLOTS,
    )
    platform = make_role_engine(settings, DatabaseRole.PLATFORM, "tonnage-sweep", pool_size=2)
    storage = make_storage(settings)
    pipeline = temporal.TemporalPipeline(client, match_batch_size=settings.activities_a_batch)
    deliveries = DeliveryStarter(client)

    def close() -> None:
        engine.dispose()
        platform.dispose()

    return (
        *_stages(settings, engine, storage, deliveries),
        *_recalculations(engine, deliveries),
        *_upkeep(settings, platform, storage, pipeline, deliveries),
    ), close


def _stages(
    settings: Settings, engine: Engine, storage: Storage, deliveries: Deliveries
) -> Sequence[Callable[..., Any]]:
    """Return what one file goes through."""
    from activities.calculate import CalculatePart
    from activities.parse import ParseFile
    from activities.resume import ResumeFile
    from activities.review import ApplyReviews
    from activities.scan import ScanFile
    from activities.status import FileStatusKeeper
    from activities.validate import ValidatePart
    from runtime.adapters.rates_ecb import EcbRates
    from runtime.parse_child import run_check, run_parse

    memory_mb = settings.parse_memory_mb
    scan = ScanFile(
        engine,
        storage,
        make_scanner(settings),
        partial(run_check, timeout_s=CHECK_TIMEOUT_S, memory_mb=memory_mb),
        scanner_required=settings.scan_mode == "required",
        work_dir=settings.work_dir,
    )
    run_parser = partial(run_parse, timeout_s=settings.parse_timeout_s, memory_mb=memory_mb)
    parse = ParseFile(engine, storage, run_parser, work_dir=settings.work_dir)
    validate = ValidatePart(engine, storage)
    status = FileStatusKeeper(engine, storage, deliveries)
    return (
        scan.scan_file,
        parse.parse_file,
        validate.validate_part,
        validate.collect_activities,
        CalculatePart(engine, storage, EcbRates()).calculate_part,
        ApplyReviews(engine, storage, EcbRates()).apply_review,
        status.record_progress,
        status.finish_file,
        status.fail_file,
        ResumeFile(engine, storage).resume_file,
    )


def _recalculations(engine: Engine, deliveries: Deliveries) -> Sequence[Callable[..., Any]]:
    from activities.commit_recalculation import CommitRecalculations
    from activities.recalculate import PreviewRecalculations
    from runtime.adapters.rates_ecb import EcbRates

    preview = PreviewRecalculations(engine, EcbRates())
    commit = CommitRecalculations(engine, EcbRates(), deliveries)
    return (
        preview.plan_recalculation,
        preview.preview_batch,
        preview.finish_preview,
        preview.fail_recalculation,
        commit.commit_files,
        commit.finish_commit,
    )


def _upkeep(
    settings: Settings, platform: Engine, storage: Storage, pipeline: Pipeline,
    deliveries: Deliveries,
) -> Sequence[Callable[..., Any]]:  # fmt: skip
    """Return what sweeps and purges do, for all organizations."""
    from activities.orphans import SweepObjects
    from activities.purge import PurgeExpired
    from activities.settle import SettleFiles
    from activities.sweep import SweepOrphans

    purge = PurgeExpired(platform, storage, purge_after_days=settings.purge_after_days)
    return (
        SweepOrphans(platform, pipeline).start_orphans,
        SettleFiles(platform, storage, pipeline, deliveries).settle_files,
        purge.list_organizations,
        purge.purge_organization,
        purge.purge_logins,
        purge.delete_doomed_objects,
        SweepObjects(platform, storage).sweep_objects,
    )


def _matching_activities(
    settings: Settings,
) -> ActivitySet:
    from activities.deciding import Deciding
    from activities.match import MatchBatch
    from activities.rematch import RematchBatch
    from runtime.adapters.rates_ecb import EcbRates
    from runtime.matchers import DatabaseMemory, LibraryMatchers
    from runtime.rankers import make_model

    engine = make_role_engine(
        settings, DatabaseRole.WORKER, "tonnage-matching", pool_size=settings.ai_slots + 2
    )
    matchers = LibraryMatchers(engine, settings)
    threading.Thread(target=matchers.warm_up, name="warm-up", daemon=True).start()
    deciding = Deciding(matchers, DatabaseMemory(engine), make_model(settings, engine))
    match = MatchBatch(engine, make_storage(settings), deciding, EcbRates())
    rematch = RematchBatch(engine, deciding, EcbRates())
    return (match.match_batch, rematch.rematch_batch), engine.dispose


def _report_activities(settings: Settings, client: Client, slots: int) -> ActivitySet:
    from activities.report import GenerateReports
    from activities.turns import Turns
    from core.reporting import ReportFormat
    from runtime.adapters.renderer_csv import CsvRenderer
    from runtime.adapters.renderer_excel import ExcelRenderer
    from runtime.adapters.renderer_pdf import PdfRenderer
    from runtime.layout_child import lay_out

    engine = make_role_engine(settings, DatabaseRole.WORKER, "tonnage-reports", pool_size=2 * slots)
    layout = partial(lay_out, memory_mb=settings.pdf_memory_mb, cpu_s=settings.pdf_cpu_s)
    reports = GenerateReports(
        engine,
        make_storage(settings),
        {
            ReportFormat.CSV: CsvRenderer(),
            ReportFormat.EXCEL: ExcelRenderer(),
            ReportFormat.PDF: PdfRenderer(layout),
        },
        work_dir=settings.work_dir,
        deliveries=DeliveryStarter(client),
        turns=Turns(max(1, slots - 1)),
    )
    return (reports.generate_report, reports.fail_report), engine.dispose


def _webhook_activities(settings: Settings, client: Client) -> ActivitySet:
    from activities.deliver_webhook import DeliverWebhooks
    from activities.sweep_deliveries import SweepDeliveries as StartDeliveries
    from core.egress import EgressPolicy
    from runtime.adapters.webhook_sender import HttpWebhookSender
    from runtime.vault import make_vault

    engine = make_role_engine(settings, DatabaseRole.WORKER, "tonnage-webhooks")
    platform = make_role_engine(settings, DatabaseRole.PLATFORM, "tonnage-outbox", pool_size=1)
    policy = EgressPolicy(allow_private=settings.egress_allow_private)
    deliver = DeliverWebhooks(engine, make_vault(settings), HttpWebhookSender(policy))
    pipeline = temporal.TemporalPipeline(client, match_batch_size=settings.activities_a_batch)
    sweep = StartDeliveries(platform, pipeline)

    def close() -> None:
        engine.dispose()
        platform.dispose()

    return (deliver.deliver_webhook, deliver.fail_delivery, sweep.start_deliveries), close
