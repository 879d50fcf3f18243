#!/usr/bin/env bash
# A release pipeline in four steps: audit, gate, summary, archive.
# Usage: release.sh MODEL IMAGES POLICY FOLDER [arguments of geoaudit ...]
#
# FOLDER gets the report, the formats for machines, the step summary and the archive.  The audit is made once: where
# FOLDER holds a report of this model already, it is judged again by the policy as it is now.
# What an earlier run said is removed first: where this one ends early, no file speaks of a verdict.
# Exit code: that of the gate (0 passed, 1 failed, 2 or 3 no verdict), of the audit where it left no report, or 3 where
# the report is not about this model and these images, or was altered.
set -u

model="$1" images="$2" policy="$3" folder="$4"
shift 4
report="$folder/report"
mkdir -p "$folder"
for file in junit.xml summary.md geoaudit.intoto.json cyclonedx.json verdict.txt verify.txt evidence.tar.gz; do
  rm -f "$folder/$file"
done

if [ ! -f "$report/report.json" ]; then
  geoaudit "$model" "$images" -o "$report" "$@" > "$folder/report-path" || exit $?
fi
geoaudit verify "$report" "$model" "$images" --no-rerun > "$folder/verify.txt" || exit 3

geoaudit gate "$report" --policy "$policy" --no-github \
  --junit "$folder/junit.xml" --markdown "$folder/summary.md" \
  --intoto "$folder/geoaudit.intoto.json" --cyclonedx "$folder/cyclonedx.json" > "$folder/verdict.txt"
code=$?
[ "$code" -le 1 ] || exit "$code"

if [ -n "${GITHUB_STEP_SUMMARY:-}" ]; then
  cat "$folder/summary.md" >> "$GITHUB_STEP_SUMMARY"
fi

(cd "$report" && sha256sum --check --quiet SHA256SUMS) || exit 3
tar -czf "$folder/evidence.tar.gz" -C "$folder" \
  report junit.xml summary.md geoaudit.intoto.json cyclonedx.json verdict.txt verify.txt
exit "$code"
