#!/bin/bash
# The stories of test_governor_loops.sh with Governor acting on what it finds.
exec "$(dirname "$0")/test_governor_loops.sh" enforce
