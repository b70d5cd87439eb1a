# The service: no torch, no root. Build from the top folder:
#   docker build -f docker/service.Dockerfile -t goodserve .
ARG PYTHON=3.11
FROM python:${PYTHON}-slim-bookworm AS build
# cpu or gpu
ARG RUNTIME=cpu
RUN python -m venv /opt/goodserve
WORKDIR /src
# What changes seldom first, so that a change of code installs nothing anew.
COPY pyproject.toml constraints.txt LICENSE README.md ./
RUN mkdir -p model service training && touch model/__init__.py service/__init__.py training/__init__.py \
 && /opt/goodserve/bin/pip install --no-cache-dir --constraint constraints.txt ".[${RUNTIME},signing]"
COPY model model
COPY service service
COPY training training
RUN /opt/goodserve/bin/pip install --no-cache-dir --no-deps --force-reinstall .

FROM python:${PYTHON}-slim-bookworm
RUN groupadd --gid 10001 goodserve \
 && useradd --uid 10001 --gid 10001 --no-create-home --shell /usr/sbin/nologin goodserve
COPY --from=build /opt/goodserve /opt/goodserve
# A new named volume takes its content from here: the bundled model.
COPY --chown=10001:10001 model/bundled /models
ENV PATH=/opt/goodserve/bin:$PATH \
    PYTHONDONTWRITEBYTECODE=1 \
    PYTHONUNBUFFERED=1 \
    ORT_DISABLE_TELEMETRY=1 \
    GOODSERVE_HOST=0.0.0.0 \
    GOODSERVE_PORT=8000 \
    GOODSERVE_REPOSITORY=/models
USER 10001:10001
WORKDIR /tmp
VOLUME /models
EXPOSE 8000
HEALTHCHECK --interval=5s --timeout=3s --start-period=20s --retries=3 \
    CMD ["python", "-c", "import os, urllib.request as r; r.urlopen('http://127.0.0.1:' + os.environ['GOODSERVE_PORT'] + '/health/ready', timeout=2)"]
CMD ["goodserve", "serve"]
