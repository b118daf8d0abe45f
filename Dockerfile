# The image of Brimline: docker build -t brimline . (amd64 and arm64; neither BuildKit nor a compiler is needed).
# docs/rights.md tells what it needs to be given, docker-compose.yml gives it.
ARG PYTHON=python:3.13.7-slim-bookworm

FROM ${PYTHON} AS build
ENV PIP_DISABLE_PIP_VERSION_CHECK=1 PIP_NO_CACHE_DIR=1 PIP_ROOT_USER_ACTION=ignore
WORKDIR /src
COPY requirements.txt requirements-build.txt ./
# Wheels alone, each one checked against its hash.
RUN python3 -m venv --without-pip /opt/brimline && python3 -m venv --without-pip /opt/build \
 && pip --python /opt/brimline/bin/python install --no-deps --require-hashes --only-binary :all: -r requirements.txt \
 && pip --python /opt/build/bin/python install --no-deps --require-hashes --only-binary :all: -r requirements-build.txt
COPY pyproject.toml README.md LICENSE ./
COPY exporter exporter
COPY alerts alerts
COPY docs docs
RUN pip --python /opt/build/bin/python wheel --no-deps --no-index --no-build-isolation --wheel-dir /tmp/wheel . \
 && pip --python /opt/brimline/bin/python install --no-deps --no-index /tmp/wheel/*.whl \
 && mkdir --mode 0700 /tmp/state

FROM ${PYTHON}
ARG VERSION=0.1.0
ARG REVISION=
ARG CREATED=
LABEL org.opencontainers.image.title="Brimline" \
      org.opencontainers.image.description="Watches the memory of inference services and acts before the OOM killer does" \
      org.opencontainers.image.licenses="Apache-2.0" \
      org.opencontainers.image.documentation="README.md" \
      org.opencontainers.image.version="${VERSION}" \
      org.opencontainers.image.revision="${REVISION}" \
      org.opencontainers.image.created="${CREATED}"
COPY --from=build /opt/brimline /opt/brimline
# A new volume takes its owner from here.
COPY --from=build --chown=10001:10001 /tmp/state /var/lib/brimline
ENV PATH=/opt/brimline/bin:/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin \
    PYTHONDONTWRITEBYTECODE=1 \
    BRIMLINE_WEB_LISTEN_ADDRESS=:12746
# Root is needed by a few features only: docs/rights.md.
USER 10001:10001
VOLUME /var/lib/brimline
EXPOSE 12746
HEALTHCHECK --interval=15s --timeout=6s --start-period=10s --retries=3 CMD ["brimline", "healthcheck"]
ENTRYPOINT ["brimline"]
CMD ["run"]
