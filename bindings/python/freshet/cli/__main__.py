"""``python -m freshet.cli``: the program ``freshet``."""

import sys

from freshet._command import main

sys.exit(main())
