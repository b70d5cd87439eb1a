# Training, as a one-off: reads images from /data, keeps runs in /runs, publishes into /models.
#   docker build -f docker/train.Dockerfile -t goodserve-train .
FROM python:3.11-slim-bookworm AS build
# cpu or gpu
ARG RUNTIME=cpu
ENV PIP_DISABLE_PIP_VERSION_CHECK=1 PIP_ROOT_USER_ACTION=ignore
WORKDIR /src
COPY docker/requirements docker/requirements
COPY constraints.txt ./
# torch by its version: its builds for CPUs and for CUDA have different hashes. The rest by hashes.
RUN --mount=type=cache,target=/root/.cache/pip \
    python -m venv --without-pip /opt/goodserve \
 && python -m pip --python /opt/goodserve install --no-compile --require-hashes \
        -r "docker/requirements/${RUNTIME}.txt" -r docker/requirements/train.txt \
 && python -m pip --python /opt/goodserve install --no-compile --constraint constraints.txt torch \
 && python -m pip install --require-hashes -r docker/requirements/build.txt
COPY pyproject.toml LICENSE README.md ./
COPY model model
COPY service service
COPY training training
RUN python -m pip wheel --quiet --no-deps --no-build-isolation --wheel-dir /wheel . \
 && python -m pip --python /opt/goodserve install --no-deps --no-compile --no-index /wheel/*.whl \
 && mkdir -p /volumes/runs /volumes/models && chown -R 10001:10001 /volumes

FROM python:3.11-slim-bookworm
COPY --from=build /opt/goodserve /opt/goodserve
COPY --from=build /volumes /
ENV PATH=/opt/goodserve/bin:$PATH \
    PYTHONDONTWRITEBYTECODE=1 \
    PYTHONUNBUFFERED=1 \
    ORT_DISABLE_TELEMETRY=1 \
    HOME=/tmp
USER 10001:10001
WORKDIR /runs
VOLUME ["/models", "/runs"]
ARG VERSION=0.1.0
ARG REVISION=unknown
LABEL org.opencontainers.image.title="goodserve-train" \
      org.opencontainers.image.description="Layer-local training of Forward-Forward image classifiers" \
      org.opencontainers.image.licenses="Apache-2.0" \
      org.opencontainers.image.version="${VERSION}" \
      org.opencontainers.image.revision="${REVISION}"
ENTRYPOINT ["goodserve-train"]
CMD ["--help"]
