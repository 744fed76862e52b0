# One image for every process: the command says which.
#   docker build -t tonnage .
#   docker run -e TONNAGE_… tonnage                                      the API on port 8000
#   docker run -e TONNAGE_… tonnage tonnage worker pipeline    a worker
#   docker run -e TONNAGE_… tonnage tonnage migrate            before the others
FROM python:3.12-slim AS build
WORKDIR /build
COPY requirements-run.lock .
RUN python -m venv /opt/venv \
 && /opt/venv/bin/pip install --no-cache-dir --require-hashes -r requirements-run.lock

FROM python:3.12-slim
# pango draws the PDF reports (runtime/preflight.py names the libraries)
RUN apt-get update \
 && apt-get install -y --no-install-recommends libpango-1.0-0 libpangoft2-1.0-0 libharfbuzz-subset0 fonts-dejavu-core \
 && rm -rf /var/lib/apt/lists/* \
 && useradd --create-home --uid 10001 tonnage
COPY --from=build /opt/venv /opt/venv
WORKDIR /app
COPY LICENSE THIRD_PARTY.md temporal-dev.yaml ./
COPY core core
COPY db db
COPY activities activities
COPY workflows workflows
COPY runtime runtime
COPY api api
# The command `tonnage`, from whatever directory (the Makefile writes the same into .venv/bin).
RUN printf '%s\n' '#!/bin/sh' 'PYTHONPATH=/app exec /opt/venv/bin/python -P -m runtime "$@"' \
      > /usr/local/bin/tonnage \
 && chmod 755 /usr/local/bin/tonnage
ENV PATH=/opt/venv/bin:$PATH PYTHONUNBUFFERED=1 TONNAGE_WORK_DIR=/tmp/tonnage
USER tonnage
EXPOSE 8000
# On SIGTERM it serves on for TONNAGE_DRAIN_S, then answers what runs: allow it 40 s to end.
CMD ["tonnage", "api", "--host", "0.0.0.0", "--port", "8000"]
