# The workflow in one image, for CPUs and NVIDIA GPUs alike: docs/container.md
#     make image
# The base: any glibc system with bash, CA certificates and Python 3.11 or 3.12 with venv.
ARG BASE_IMAGE=python:3.11-slim-bookworm

FROM ${BASE_IMAGE}
ENV PATH=/opt/venv/bin:$PATH
WORKDIR /sensorium

# Pinned packages change seldom, so their layer comes before the sources. The installers are kept in /tmp until the end
# of the step, and tools of development are uninstalled. Secrets are files of the building machine; each may be missing.
COPY envs ./envs
RUN --mount=type=cache,id=uv,target=/root/.cache/uv \
    --mount=type=secret,id=pip.conf --mount=type=secret,id=uv.toml --mount=type=secret,id=ca-certificates.crt \
    given() { [ ! -e "/run/secrets/$2" ] || export "$1=/run/secrets/$2"; } \
    && given PIP_CONFIG_FILE pip.conf && given PIP_CERT ca-certificates.crt \
    && given UV_CONFIG_FILE uv.toml && given SSL_CERT_FILE ca-certificates.crt \
    && python3 -m venv --without-pip /opt/venv \
    && python3 -m venv /tmp/installer \
    && sed -n '/^uv==/,/[^\\]$/p' envs/requirements.lock > /tmp/installer/uv.lock \
    && /tmp/installer/bin/pip install --quiet --no-cache-dir --require-hashes -r /tmp/installer/uv.lock \
    && export VIRTUAL_ENV=/opt/venv UV_LINK_MODE=copy PATH=/tmp/installer/bin:$PATH \
    && uv pip install --quiet --compile-bytecode --require-hashes -r envs/requirements.lock \
    && sed '1,/^# development/d' envs/requirements.in | xargs uv pip uninstall --quiet \
    && rm -rf /tmp/*

COPY pyproject.toml README.md LICENSE ./
COPY src ./src
COPY packages ./packages
RUN python3 -m venv /tmp/installer \
    && /tmp/installer/bin/pip --python /opt/venv/bin/python install --quiet --no-cache-dir --no-index --no-deps \
        --no-build-isolation --editable . --editable packages/snakemake-executor-plugin-submitit \
    && python -m compileall -q src packages \
    && rm -rf /tmp/*
COPY Snakefile ./
COPY rules ./rules
COPY workflow ./workflow
COPY config ./config
COPY profiles ./profiles
COPY container/entrypoint.sh /usr/local/bin/sensorium-workflow
# Any user may run the image, so no file depends on its owner. The links direct everything that is written to results.
RUN ln -s profiles/local profiles/slurm results/.snakemake results/logs . \
    && install -d -m 1777 results \
    && chmod -R a+rX /sensorium

# HOME and USER serve users that the image does not know. The NVIDIA variables let the container runtime add a GPU.
ENV HOME=/tmp USER=sensorium NVIDIA_VISIBLE_DEVICES=all NVIDIA_DRIVER_CAPABILITIES=compute,utility
USER 1000:1000
ENTRYPOINT ["sensorium-workflow"]
CMD ["--help"]

ARG VERSION=unknown
ARG REVISION=unknown
LABEL org.opencontainers.image.title="Sensorium" \
    org.opencontainers.image.description="A Snakemake workflow that trains a self-supervised multimodal world model" \
    org.opencontainers.image.licenses="MIT" \
    org.opencontainers.image.version="${VERSION}" \
    org.opencontainers.image.revision="${REVISION}"
