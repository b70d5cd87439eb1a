# Training, as a one-off: reads images from /data, keeps runs in /runs, publishes into /models.
#   docker build -f docker/train.Dockerfile -t goodserve-train .
ARG PYTHON=3.11
FROM python:${PYTHON}-slim-bookworm
# cpu or gpu
ARG RUNTIME=cpu
RUN groupadd --gid 10001 goodserve \
 && useradd --uid 10001 --gid 10001 --no-create-home --shell /usr/sbin/nologin goodserve \
 && mkdir -p /runs /models && chown 10001:10001 /runs /models \
 && python -m venv /opt/goodserve
WORKDIR /src
COPY pyproject.toml constraints.txt LICENSE README.md ./
RUN mkdir -p model service training && touch model/__init__.py service/__init__.py training/__init__.py \
 && /opt/goodserve/bin/pip install --no-cache-dir --constraint constraints.txt ".[${RUNTIME},train]"
COPY model model
COPY service service
COPY training training
RUN /opt/goodserve/bin/pip install --no-cache-dir --no-deps --force-reinstall .
ENV PATH=/opt/goodserve/bin:$PATH \
    PYTHONDONTWRITEBYTECODE=1 \
    PYTHONUNBUFFERED=1 \
    ORT_DISABLE_TELEMETRY=1 \
    HOME=/tmp
USER 10001:10001
WORKDIR /runs
VOLUME ["/models", "/runs"]
ENTRYPOINT ["goodserve-train"]
CMD ["--help"]
