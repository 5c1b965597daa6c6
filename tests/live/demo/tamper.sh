#!/bin/sh
# tamper.sh STATE COPY: copies the audit log and takes otto's name out of it, as a careful liar would: past the triggers
# that forbid changes, which stand there again afterwards.
set -eu
state=$1 copy=$2

for part in '' -wal; do
        [ ! -e "$state/audit.db$part" ] || cp "$state/audit.db$part" "$copy$part"
done
trigger=$(sqlite3 "$copy" "SELECT sql FROM sqlite_schema WHERE name = 'record_no_update'")
sqlite3 "$copy" "DROP TRIGGER record_no_update;
                 UPDATE record SET body = replace(body, 'otto', 'anna');
                 $trigger"
