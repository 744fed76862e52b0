"""The whole development stack in one process tree, with its state in one directory.

PostgreSQL → migrations and seed → Temporal → workers → API; stopped in the reverse order.
"""

from __future__ import annotations

import contextlib
import fcntl
import json
import os
import secrets
import signal
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import IO

import httpx
import psutil
import psycopg

from core.errors import Misconfigured, Unavailable
from runtime import dev_config, preflight
from runtime.postgres import LocalPostgres, start_postgres
from runtime.settings import Settings
from runtime.supervisor import Child, Supervisor, free_port

STATE_DIR = Path(".tonnage")
DATABASE = "tonnage"
API_PORT = 8000
METRICS_PORT = 9464  # of the first worker, and others where it is taken
START_TIMEOUT_S = 90.0
DEMO_EMAIL = "demo@tonnage.example"

Say = Callable[[str], None]


@dataclass(frozen=True, slots=True)
class Addresses:
    """Where a running stack is reached; kept in dev.json for other terminals."""

    api_url: str
    temporal_ui_url: str
    temporal_address: str
    email: str
    password: str
    pid: int
    metrics_urls: list[str]


class DevStack:
    """Starts, tends and stops the stack. Use as a context manager."""

    def __init__(self, state_dir: Path = STATE_DIR, say: Say = lambda _: None) -> None:
        self.state_dir = state_dir.resolve()
        self.say = say
        self.config = dev_config.load()
        self.supervisor = Supervisor(
            lambda child: say(f"{child.name} {child.how_it_ended()}; restarted")
        )
        self.postgres: LocalPostgres | None = None
        self.lock: IO[str] | None = None
        self.addresses: Addresses | None = None
        self.metrics: list[str] = []

    def __enter__(self) -> DevStack:
        try:
            self.start()
        except BaseException:
            self.stop()
            raise
        return self

    def __exit__(self, *_: object) -> None:
        self.stop()

    def start(self) -> Addresses:
        """Bring everything up; raise Misconfigured with the remedy when that cannot work."""
        if found := preflight.problems():
            raise Misconfigured("\n".join(found))
        if any(c.isspace() for c in str(self.state_dir)):
            raise Misconfigured(
                f"the path {self.state_dir} has a blank, which the PostgreSQL package cannot take; "
                'move the project, or say where the state may lie with ARGS="--state DIR"'
            )
        self.state_dir.mkdir(parents=True, exist_ok=True)
        self.lock = take_lock(self.state_dir / "dev.lock")
        (self.state_dir / "dev.json").unlink(missing_ok=True)  # of a parent that was killed
        kill_leftovers(self.state_dir / "children.json")
        self.say("PostgreSQL")
        self.postgres = start_postgres(self.state_dir / "pg")
        with one_start_at_a_time(self.say):
            settings = self.start_processes(self.postgres)
        self.addresses = Addresses(
            api_url=settings.public_url,
            temporal_ui_url=settings.temporal_ui_url or "",
            temporal_address=settings.temporal_address or "",
            email=DEMO_EMAIL,
            password=secret(self.state_dir / "demo-password", 12),
            pid=os.getpid(),
            metrics_urls=[f"{settings.public_url}/metrics", *self.metrics],
        )
        written = self.state_dir / "dev.json.new"
        written.touch(mode=0o600)  # it holds the demo password
        written.write_text(json.dumps(asdict(self.addresses)))
        written.replace(self.state_dir / "dev.json")
        return self.addresses

    def start_processes(self, postgres: LocalPostgres) -> Settings:
        """Start everything but PostgreSQL and wait until it listens; return its settings."""
        settings = self.settings(postgres)
        environment = self.environment(settings)
        # What need not wait for another starts beside it; workers connect patiently.
        temporal = self.start_temporal(settings, environment)
        self.say("schema, factor releases and demo login")
        self.prepare_database(settings)
        self.say("API and workers")
        api = self.start_api(settings, environment)
        workers = self.start_workers(environment)
        namespace = f"api/v1/namespaces/{self.config.server.namespace}"
        self.wait_for(temporal, f"{settings.temporal_ui_url}/{namespace}")
        self.wait_for(api, f"{settings.public_url}/readyz")
        for worker, url in zip(workers, self.metrics, strict=True):
            self.wait_for(worker, url)
        return settings

    def stop(self) -> None:
        """Stop everything in order; safe to call twice."""
        if self.lock:
            self.say("stopping")  # takes seconds, and nothing else would tell that it goes on
        try:
            self.supervisor.stop()
        finally:
            if self.postgres:
                self.postgres.stop()
                self.postgres = None
        for name in ("dev.json", "children.json"):
            (self.state_dir / name).unlink(missing_ok=True)
        if self.lock:
            self.lock.close()
            self.lock = None

    def tend(self) -> None:
        """Restart what has died."""
        self.supervisor.tend()
        self.remember_children()

    def settings(self, postgres: LocalPostgres) -> Settings:
        """Return the settings that every process of the stack gets."""
        server = self.config.server
        port = free_port(server.port, server.ip)
        ui_port = free_port(server.ui_port, server.ip)
        api_port = free_port(API_PORT)
        queues = self.config.task_queues
        return Settings(
            secret_key=secret(self.state_dir / "secret-key", 48),
            database_url=postgres.uri(DATABASE),
            temporal_address=f"{server.ip}:{port}",
            temporal_namespace=server.namespace,
            temporal_ui_url=f"http://{server.ip}:{ui_port}",
            storage_url=f"file://{self.state_dir / 'objects'}",
            public_url=f"http://127.0.0.1:{api_port}",
            work_dir=self.state_dir / "work",
            pipeline_slots=queues["pipeline"].slots or 8,
            ai_slots=queues["ai-matching"].deployment_slots or 10,
            report_slots=queues["reports"].slots or 3,
            pdf_slots=queues["reports-pdf"].slots or 3,
            drain_s=0,  # nobody spreads load here
            shutdown_timeout_s=10,
            webhook_slots=queues["webhooks"].slots or 20,
            log_json=True,
        )

    def environment(self, settings: Settings) -> dict[str, str]:
        """Return the environment of a child: ours, with the settings on top."""
        values = settings.model_dump(mode="json", exclude_none=True)
        # A dump shows stars for a secret.
        for name in ("secret_key", "openai_api_key", "metrics_token", "otlp_headers"):
            values[name] = getattr(settings, name).get_secret_value()
        values["secret_keys_previous"] = ",".join(
            key.get_secret_value() for key in settings.secret_keys_previous
        )
        ours = {f"TONNAGE_{name.upper()}": str(value) for name, value in values.items()}
        return {**os.environ, **ours, "PYTHONUNBUFFERED": "1"}

    def prepare_database(self, settings: Settings) -> None:
        """Create, migrate and seed; everything that is there already stays."""
        from runtime import seed

        admin = settings.database_url.replace(f"/{DATABASE}?", "/postgres?")
        with psycopg.connect(admin, autocommit=True) as connection:
            if not connection.execute(
                "SELECT 1 FROM pg_database WHERE datname = %s", (DATABASE,)
            ).fetchone():
                connection.execute(f"CREATE DATABASE {DATABASE}")
        seed.prepare(settings, DEMO_EMAIL, secret(self.state_dir / "demo-password", 12))

    def start_temporal(self, settings: Settings, environment: dict[str, str]) -> Child:
        """Start the Temporal server exactly as temporal-dev.yaml says."""
        address = settings.temporal_address or ""
        ui = settings.temporal_ui_url or ""
        self.say("Temporal")
        arguments = self.config.arguments(
            port=int(address.rpartition(":")[2]),
            ui_port=int(ui.rpartition(":")[2]),
            database=self.state_dir / self.config.server.database,
        )
        return self.child("temporal", [script("temporal"), *arguments], environment)

    def start_workers(self, environment: dict[str, str]) -> list[Child]:
        """Start the worker processes of every task queue."""
        workers = []
        for queue, settings in self.config.task_queues.items():
            for number in range(1, settings.processes + 1):
                command = [sys.executable, "-m", "runtime", "worker", queue]
                address = f"127.0.0.1:{free_port(METRICS_PORT + len(self.metrics))}"
                own = {**environment, "TONNAGE_METRICS_ADDRESS": address}
                workers.append(self.child(f"worker-{queue}-{number}", command, own))
                self.metrics.append(f"http://{address}/metrics")
        return workers

    def start_api(self, settings: Settings, environment: dict[str, str]) -> Child:
        """Start the API."""
        port = settings.public_url.rpartition(":")[2]
        return self.child("api", api_command(int(port)), environment)

    def child(self, name: str, command: list[str], environment: dict[str, str]) -> Child:
        """Start one supervised process with a log of its own."""
        log = self.state_dir / "logs" / f"{name}.log"
        child = self.supervisor.add(Child(name, command, environment, log))
        self.remember_children()
        return child

    def remember_children(self) -> None:
        """Note the children's pids: a start after kill -9 must find what is left of them."""
        pids = [c.process.pid for c in self.supervisor.children if c.process]
        (self.state_dir / "children.json").write_text(json.dumps(pids))

    def wait_for(self, child: Child, url: str) -> None:
        """Wait until `url` answers 200; raise Unavailable with the end of the log."""
        deadline = time.monotonic() + START_TIMEOUT_S
        while time.monotonic() < deadline:
            if not child.running:
                raise Unavailable(f"{child.name} ended:\n{child.tail()}")
            with contextlib.suppress(httpx.HTTPError):
                # Another program may have taken the port in between, and answer in our place.
                if httpx.get(url, timeout=2).status_code == 200 and child.running:
                    return
            time.sleep(0.1)
        raise Unavailable(
            f"{child.name} did not answer in {START_TIMEOUT_S:.0f} s:\n{child.tail()}"
        )


def api_command(port: int) -> list[str]:
    """Return how the API is started."""
    return [sys.executable, "-m", "runtime", "api", "--port", str(port)]


def take_lock(path: Path) -> IO[str]:
    """Return the held lock of a state directory; raise Misconfigured when a stack runs there."""
    stream = path.open("a")
    try:
        fcntl.flock(stream, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError:
        stream.close()
        raise Misconfigured(
            f"a stack already runs on {path.parent}; stop it first, or work with it"
        ) from None
    return stream


@contextlib.contextmanager
def one_start_at_a_time(say: Say) -> Iterator[None]:
    """Let one stack of a user choose its ports and come to listen there before the next chooses.

    Two that start together would both find the same port free, and one would talk to the other.
    """
    path = Path(tempfile.gettempdir()) / f"tonnage-{os.getuid()}-start.lock"
    handle = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_NOFOLLOW, 0o600)
    try:
        try:
            fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError:
            say("waiting for another stack that is starting")
            fcntl.flock(handle, fcntl.LOCK_EX)
        yield
    finally:
        os.close(handle)


def running_stack(state_dir: Path = STATE_DIR) -> Addresses | None:
    """Return the addresses of the stack that runs on `state_dir`, or None."""
    try:
        lock = take_lock(state_dir / "dev.lock")
    except Misconfigured:
        with contextlib.suppress(OSError, ValueError, TypeError):
            return Addresses(**json.loads((state_dir / "dev.json").read_text()))
        return None
    except OSError:
        return None
    lock.close()
    return None


def kill_leftovers(path: Path) -> None:
    """End children that outlived a killed parent (where the system did not end them itself)."""
    if not path.exists():
        return
    with contextlib.suppress(ValueError):
        for pid in json.loads(path.read_text()):
            with contextlib.suppress(psutil.Error):
                process = psutil.Process(pid)
                # A pid may have gone to somebody else; ours were started from this environment.
                if str(path.parent) in process.environ().get("TONNAGE_STORAGE_URL", ""):
                    process.kill()
                    process.wait(5)
    path.unlink()


def secret(path: Path, size_bytes: int) -> str:
    """Return the secret kept at `path`, made on first use and readable by its owner alone."""
    if not path.exists():
        handle = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
        with os.fdopen(handle, "w") as stream:
            stream.write(secrets.token_urlsafe(size_bytes))
    return path.read_text()


def script(name: str) -> str:
    """Return the path of a command that pip installed beside this interpreter."""
    return str(Path(sys.executable).parent / name)


@contextlib.contextmanager
def stop_on_signals() -> Iterator[None]:
    """Leave the block quietly on the first SIGINT or SIGTERM, whatever it is doing.

    Later ones are ignored: stopping is already under way, and a half-stopped stack would leave
    PostgreSQL behind.
    """
    signals = (signal.SIGINT, signal.SIGTERM)

    def leave(*_: object) -> None:
        for number in signals:
            signal.signal(number, signal.SIG_IGN)
        raise KeyboardInterrupt

    before = {number: signal.signal(number, leave) for number in signals}
    try:
        yield
    except KeyboardInterrupt:
        pass
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
