#!/usr/bin/env bash
# Builds what the demo needs and plays it. `--keep` leaves it running.
set -euo pipefail
cd "$(dirname "$0")/../.."
if ! command -v python3 >/dev/null && ! command -v curl >/dev/null; then
    echo "make demo sends mail with Python's smtplib or curl, and neither is here: install python3 or curl" >&2
    exit 1
fi
echo "building the operator, the sidecar and the simulated Zoho (a few minutes the first time)"
cargo build --locked --quiet -p zohorelay-operator -p zohorelay-sidecar -p zohorelay-tests --bins
exec target/debug/demo "$@"
