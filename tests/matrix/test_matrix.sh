#!/bin/bash
# Every file attack as root, as the owner and as a stranger, on five file systems, against each guard: it ends as it is known to.
# shellcheck source=tests/matrix/field.sh
. "$(dirname "$0")/field.sh"
# shellcheck source=tests/matrix/stories.sh
. "$FIELD_TREE/tests/matrix/stories.sh"

tell_stories ext4 tmpfs xfs btrfs overlay
