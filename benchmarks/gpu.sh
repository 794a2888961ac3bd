#!/usr/bin/env bash
# What only a GPU can show, in at most ten minutes on one big GPU, into one JSON:
#     benchmarks/gpu.sh gpu.json
#     benchmarks/gpu.sh --dry-run gpu.json      # the same program at tiny sizes on a CPU: that it runs
# Run it from an environment with the package and its tests (make env). The peer of the rates is installed as the head
# of benchmarks/dynamics.py says; without it ours are measured alone.
set -euo pipefail
cd "$(dirname "$0")/.."
export PYTHONPATH="src${PYTHONPATH:+:$PYTHONPATH}" PYTHONUNBUFFERED=1
exec timeout --kill-after=10 600 python benchmarks/gpu.py "$@"
