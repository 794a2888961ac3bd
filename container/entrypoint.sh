#!/bin/bash
# The first process of a container: Snakemake in /sensorium, stopped the way a training needs it.
set -m # Snakemake and its jobs become one process group

# .snakemake and logs are links to these, so a mounted results folder also keeps Snakemake's records of finished jobs.
mkdir -p results/.snakemake results/logs || {
    echo "user $(id -u) cannot write to /sensorium/results; run the container as the owner of what is mounted there:" \
        "--user \"\$(id -u):\$(id -g)\", with rootless podman --userns keep-id" >&2
    exit 74
}

# `docker stop` signals this process alone, and Snakemake would wait for its jobs. A training saves only if it receives
# the signal itself.
trap 'stopped=yes; kill -TERM -- "-$workflow"' TERM INT
snakemake "$@" &
workflow=$!
while kill -0 "$workflow" 2>/dev/null; do wait "$workflow"; done # a signal ends a wait early
wait "$workflow"
code=$?
if [ -n "$stopped" ] && [ "$code" != 0 ]; then exit 75; fi
exit "$code"
