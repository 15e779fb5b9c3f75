# shellcheck shell=bash
# Everything that ./calltrace up, down, status, logs, demo and admin share, one file per topic.
for part in common packages build pages process postgres redis tls project commands; do
    # shellcheck disable=SC1090  # the names stand in the line above
    . "$CALLTRACE_TOP/schema/local/$part.sh"
done
