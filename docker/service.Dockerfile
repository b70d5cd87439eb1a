# The service: CPython, what it imports, and no more: no shell, no torch, no root. From the top folder:
#   docker build -f docker/service.Dockerfile -t goodserve .
FROM python:3.11-slim-bookworm AS build
# cpu or gpu
ARG RUNTIME=cpu
# Any of the extras in docker/requirements/, separated by spaces.
ARG EXTRAS="signing grpc"
# Every file gets this time, so that two builds of one commit give the same layers.
ARG SOURCE_DATE_EPOCH=1767225600
ENV PIP_DISABLE_PIP_VERSION_CHECK=1
WORKDIR /src
# What changes seldom first, so that a change of code installs nothing anew.
COPY docker/requirements docker/requirements
RUN --mount=type=cache,target=/root/.cache/pip \
    python -m venv --without-pip /opt/goodserve \
 && for file in "${RUNTIME}" ${EXTRAS}; do echo "-r docker/requirements/${file}.txt"; done > all.txt \
 && python -m pip --python /opt/goodserve install --root-user-action=ignore --no-compile --require-hashes -r all.txt \
 && python -m pip install --root-user-action=ignore --require-hashes -r docker/requirements/build.txt
COPY docker/assemble.sh docker/
RUN sh docker/assemble.sh /image
COPY pyproject.toml LICENSE README.md ./
COPY model model
COPY service service
COPY docker/code.sh docker/sbom.py docker/
RUN sh docker/code.sh /image /code

FROM scratch
COPY --from=build /image /
COPY --from=build /code /
ENV PATH=/opt/goodserve/bin:/usr/local/bin \
    LANG=C.UTF-8 \
    SSL_CERT_FILE=/etc/ssl/certs/ca-certificates.crt \
    PYTHONDONTWRITEBYTECODE=1 \
    PYTHONUNBUFFERED=1 \
    ORT_DISABLE_TELEMETRY=1 \
    NVIDIA_DRIVER_CAPABILITIES=compute,utility \
    GOODSERVE_HOST=0.0.0.0 \
    GOODSERVE_PORT=8000 \
    GOODSERVE_REPOSITORY=/models
USER 10001:10001
WORKDIR /tmp
VOLUME /models
EXPOSE 8000
HEALTHCHECK --interval=5s --timeout=5s --start-period=120s --retries=3 \
    CMD ["python", "-IS", "-c", "import os, socket, sys; s = socket.create_connection(('127.0.0.1', int(os.environ['GOODSERVE_PORT'])), 4); s.sendall(b'GET /health/ready HTTP/1.0\\r\\n\\r\\n'); sys.exit(b' 200 ' not in s.recv(64))"]
ARG VERSION=0.1.0
ARG REVISION=unknown
LABEL org.opencontainers.image.title="goodserve" \
      org.opencontainers.image.description="Forward-Forward image classifiers, served and explained" \
      org.opencontainers.image.licenses="Apache-2.0" \
      org.opencontainers.image.version="${VERSION}" \
      org.opencontainers.image.revision="${REVISION}"
CMD ["goodserve", "serve"]
