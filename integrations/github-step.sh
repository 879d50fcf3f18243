#!/usr/bin/env bash
# The audit step of action.yml: runs `geoaudit`, leaves every format in the report folder, and sets the step's outputs.
# Reads GEOAUDIT_STEP_MODEL, _IMAGES, _POLICY (may be empty), _REPORT and _ARGUMENTS (one argument a line).
# Its exit code is that of `geoaudit`.
set -u

report="$GEOAUDIT_STEP_REPORT"
arguments=("$GEOAUDIT_STEP_MODEL" "$GEOAUDIT_STEP_IMAGES" -o "$report")
if [ -n "${GEOAUDIT_STEP_POLICY:-}" ]; then
  arguments+=(--policy "$GEOAUDIT_STEP_POLICY")
fi
while IFS= read -r argument; do
  [ -z "$argument" ] || arguments+=("$argument")
done <<< "${GEOAUDIT_STEP_ARGUMENTS:-}"

geoaudit "${arguments[@]}" --github \
  --junit "$report/junit.xml" --markdown "$report/summary.md" \
  --intoto "$report/geoaudit.intoto.json" --cyclonedx "$report/cyclonedx.json"
code=$?

# A report that lay there before says nothing of an audit that was not completed: a verdict is passed on only if it
# goes with the exit code.
if [ "$code" -le 1 ] && [ -f "$report/report.json" ] && [ -n "${GITHUB_OUTPUT:-}" ]; then
  status="$(python -c 'import json, sys; print(json.load(open(sys.argv[1], encoding="utf-8"))["gate"]["status"])' \
    "$report/report.json")"
  case "$code:$status" in
    "0:PASS" | "0:not gated" | "1:FAIL") verdict="$status" ;;
    *) verdict="" ;;
  esac
  end="end-$RANDOM-$RANDOM-$RANDOM" # a folder's name may hold anything, line ends too
  printf 'verdict=%s\nreport<<%s\n%s/report.html\n%s\n' "$verdict" "$end" "$report" "$end" >> "$GITHUB_OUTPUT"
fi
exit "$code"
