"""How much memory the API's process takes for a large upload: a real process, a streamed body.

    .venv/bin/python tests/benchmarks/bench_upload.py [MIB] [local|s3|gs]

Watches the resident memory of the API while a CSV of MIB (2,048) is sent to it. The stores are a
directory, moto's server and the Google emulator, both in processes of their own.
"""

from __future__ import annotations

import os
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[2]))

import boto3
import httpx
import psutil
from sqlmodel import Session

from core.permissions import Role
from db.engine import make_engine
from db.queries import organizations
from runtime import migrate
from runtime.dev import DevStack, api_command
from runtime.passwords import Passwords
from runtime.postgres import start_postgres
from runtime.settings import Settings
from runtime.supervisor import free_port

EMAIL, PASSWORD = "ada@alpha.example", "a pass phrase of several words"
MIB = 1024**2
LINE = b"Diesel for site one,10,litres\n"
WAIT_S = 120
BUCKET = "bench-bucket"
HEAD = b'--b\r\nContent-Disposition: form-data; name="file"; filename="a.csv"\r\n\r\n'


def body(mib: int) -> Iterator[bytes]:
    """Yield a multipart form with a table of so many MiB."""
    chunk = (LINE * (MIB // len(LINE) + 1))[:MIB]
    yield HEAD + b"Activity,Amount,Unit\n"
    for _ in range(mib):
        yield chunk
    yield b"\r\n--b--\r\n"


def settings_for(directory: Path, database_url: str, store: str, mib: int, peer: str) -> Settings:
    """Return the settings of the process that is watched."""
    urls = {
        "local": f"file://{directory / 'objects'}",
        "s3": f"s3://{BUCKET}",
        "gs": f"gs://{BUCKET}",
    }
    return Settings(
        secret_key="only-for-benchmarks-0123456789-abcdefghijklmnop",
        database_url=database_url, storage_url=urls[store], work_dir=directory / "work",
        storage_endpoint=peer or None, storage_region="us-east-1", storage_path_style=True,
        upload_max_bytes=(mib + 1) * MIB, storage_timeout_s=600, temporal_address="127.0.0.1:1",
    )  # fmt: skip


def start_peer(store: str, stack: ExitStack) -> str:
    """Start the store's server in a process of its own; return its address."""
    if store == "local":
        return ""
    port = free_port(0)
    address, script = f"http://127.0.0.1:{port}", Path(sys.executable).parent
    commands = {
        "s3": [str(script / "moto_server"), "-H", "127.0.0.1", "-p", str(port)],
        "gs": [
            str(script / "gcp-storage-emulator"), "start", "--host=127.0.0.1", f"--port={port}",
            "--in-memory", f"--default-bucket={BUCKET}",
        ],
    }  # fmt: skip
    peer = subprocess.Popen(commands[store], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    stack.callback(peer.kill)
    wait_for(address)
    if store == "s3":
        os.environ |= {"AWS_ACCESS_KEY_ID": "bench", "AWS_SECRET_ACCESS_KEY": "bench"}
        boto3.client("s3", endpoint_url=address, region_name="us-east-1").create_bucket(
            Bucket=BUCKET
        )
    return address


def wait_for(url: str, status: int | None = None) -> None:
    """Wait until a server answers, with `status` if one is given."""
    deadline = time.monotonic() + WAIT_S
    while time.monotonic() < deadline:
        try:
            if httpx.get(url, timeout=10).status_code == (status or httpx.get(url).status_code):
                return
        except httpx.HTTPError:
            pass
        time.sleep(0.2)
    raise SystemExit(f"no answer from {url}")


class Watch(threading.Thread):
    """Keeps the largest resident memory of a process and its children."""

    def __init__(self, pid: int) -> None:
        super().__init__(daemon=True)
        self.process = psutil.Process(pid)
        self.peak = self.own_peak = 0

    def now(self) -> tuple[int, int]:
        """Return what is resident, and what of it are no pages of files (libraries)."""
        every = [self.process, *self.process.children(recursive=True)]
        found = [one.memory_info() for one in every]
        return sum(m.rss for m in found), sum(m.rss - m.shared for m in found)

    def run(self) -> None:
        while True:
            try:
                resident, own = self.now()
                self.peak, self.own_peak = max(self.peak, resident), max(self.own_peak, own)
            except psutil.Error:
                return
            time.sleep(0.05)


def main() -> None:
    mib = int(sys.argv[1]) if len(sys.argv) > 1 else 2048
    store = sys.argv[2] if len(sys.argv) > 2 else "local"
    with ExitStack() as stack:
        directory = Path(stack.enter_context(tempfile.TemporaryDirectory()))
        directory.chmod(0o755)
        server = start_postgres(directory / "pg")
        stack.callback(server.stop)
        settings = settings_for(
            directory, server.uri("postgres"), store, mib, start_peer(store, stack)
        )
        engine = make_engine(f"postgresql+psycopg://{server.uri('postgres').partition('://')[2]}")
        with engine.connect() as connection:
            migrate.upgrade(connection)
        with Session(engine) as session:
            organization = organizations.create_organization(session, name="Alpha", country="GB")
            user = organizations.create_user(
                session, email=EMAIL, password_hash=Passwords(settings).hash(PASSWORD)
            )
            organizations.add_member(session, organization, user, Role.ADMIN)
            session.commit()
        port = free_port(0)
        url = f"http://127.0.0.1:{port}"
        api = subprocess.Popen(api_command(port), env=DevStack(directory).environment(settings))
        stack.callback(api.kill)
        wait_for(f"{url}/readyz", 200)
        measure(url, api.pid, mib, store)


def measure(url: str, pid: int, mib: int, store: str) -> None:
    """Send the upload and print what it took."""
    given = {"email": EMAIL, "password": PASSWORD}
    token = httpx.post(f"{url}/v1/auth/login", json=given, timeout=WAIT_S).json()["access_token"]
    watch = Watch(pid)
    before = watch.now()
    watch.start()
    start = time.perf_counter()
    answer = httpx.post(
        f"{url}/v1/files", content=body(mib), timeout=3600,
        headers={
            "Authorization": f"Bearer {token}", "Content-Type": "multipart/form-data; boundary=b",
        },
    )  # fmt: skip
    seconds = time.perf_counter() - start
    print(
        f"{store}: {mib} MiB, {answer.status_code}, {seconds:.0f} s; resident memory before "
        f"{before[0] // MIB} MiB, at most {watch.peak // MIB} MiB; without pages of libraries "
        f"{before[1] // MIB} MiB, at most {watch.own_peak // MIB} MiB"
    )


if __name__ == "__main__":
    main()
