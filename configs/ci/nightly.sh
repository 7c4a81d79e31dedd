#!/usr/bin/env bash
# One night, for cron or systemd: compresses recipe.yaml of the current folder into runs/DATE, or goes on with a night that
# was interrupted, and moves runs/last-good if the result is no worse. The exit status is that of the first command that
# failed; runs/last-good then stays.
set -euo pipefail
exec 9>.nightly.lock
flock -n 9 || { echo "the last night is still running" >&2; exit 0; }

mkdir -p runs
unfinished=$(find runs -mindepth 2 -maxdepth 2 -name checkpoint.safetensors | sort | tail -n 1)
if [ -n "$unfinished" ]; then
  run=$(dirname "$unfinished")
  dscompress resume "$run"
else
  run=runs/$(date +%F)
  [ -e "$run/report.json" ] || dscompress run recipe.yaml --output-dir "$run"
fi
dscompress gate "$run" --baseline runs/last-good --first --prometheus "${TEXTFILES:-$run}/dscompress.prom"
ln -sfn "$(basename "$run")" runs/.last-good && mv -fT runs/.last-good runs/last-good
