#!/bin/bash
# PM2 5: what it does and what is done to it.
# shellcheck source=tests/live/pm2_stories.sh
. "$(dirname "$0")/pm2_stories.sh"
tell 5
