# syntax=docker/dockerfile:1
# Trueline's service: Python, the locked requirements of requirements/service.txt, and the code. No TensorFlow.
#
#   docker build -t trueline .
#   docker run --rm -p 3000:3000 -v trueline:/var/lib/trueline trueline
#
# BASE is any image with Python 3.11 to 3.14 and its venv module: python:3.11-slim, or a Debian with python3-venv.
ARG BASE=python:3.11-slim

FROM ${BASE} AS build
ENV PIP_DISABLE_PIP_VERSION_CHECK=1 PIP_NO_CACHE_DIR=1 PIP_ROOT_USER_ACTION=ignore
# Two environments: one with pip and the build tools, which stays here, and the one that is shipped, with neither.
RUN python3 -m venv /opt/build && python3 -m venv --without-pip /opt/trueline
COPY requirements/build.txt requirements/service.txt /src/requirements/
RUN /opt/build/bin/pip install --require-hashes -r /src/requirements/build.txt
RUN /opt/build/bin/pip --python /opt/trueline/bin/python install --require-hashes --only-binary :all: \
        -r /src/requirements/service.txt
COPY pyproject.toml README.md /src/
COPY artifact /src/artifact
COPY service /src/service
COPY training /src/training
COPY trueline /src/trueline
RUN /opt/build/bin/pip wheel --no-deps --no-build-isolation --wheel-dir /opt/wheel /src \
    && /opt/build/bin/pip --python /opt/trueline/bin/python install --no-deps --no-index /opt/wheel/*.whl

FROM ${BASE}
LABEL org.opencontainers.image.title="Trueline" \
      org.opencontainers.image.description="Serves Trueline's champion model over HTTP." \
      org.opencontainers.image.licenses="Apache-2.0"
RUN useradd --no-log-init --uid 10001 --user-group --no-create-home --home-dir /var/lib/trueline --shell /usr/sbin/nologin \
        trueline \
    && mkdir -p /var/lib/trueline /srv/trueline \
    && chown trueline:trueline /var/lib/trueline
COPY --from=build /opt/trueline /opt/trueline
ENV PATH=/opt/trueline/bin:$PATH \
    PYTHONUNBUFFERED=1 \
    PYTHONDONTWRITEBYTECODE=1 \
    BENTOML_DO_NOT_TRACK=true \
    ORT_DISABLE_TELEMETRY=1 \
    TRUELINE_GRPC_HOST=0.0.0.0 \
    BENTOML_HOME=/var/lib/trueline
WORKDIR /srv/trueline
USER 10001:10001
VOLUME /var/lib/trueline
EXPOSE 3000
STOPSIGNAL SIGTERM
# /readyz, not /livez: healthy means that a model is loaded and answers.
HEALTHCHECK --interval=10s --timeout=3s --start-period=60s --retries=3 \
    CMD ["python", "-c", "import urllib.request as r; r.urlopen('http://127.0.0.1:3000/readyz', timeout=2)"]
CMD ["trueline", "serve", "--host", "0.0.0.0", "--port", "3000"]
