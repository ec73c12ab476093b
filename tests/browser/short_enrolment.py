"""`python -m tests.browser.short_enrolment serve …`: as `visavis serve`, with three steps only.

So that a test need not wait for all of them; which those are is drawn as ever.
"""

from __future__ import annotations

import sys
from functools import partial

from live import assembly
from live.__main__ import main
from live.enrolment.challenge import Challenge, Step, draw
from live.enrolment.desk import Tools


def short(language: str) -> Challenge:
    """Straight ahead, one turn, and the phrase."""
    whole = draw(language)
    first, *rest = whole.tasks
    turn = next(task for task in rest if task.step in (Step.LEFT, Step.RIGHT))
    phrase = next(task for task in rest if task.step is Step.PHRASE)
    return Challenge(whole.nonce, language, (first, turn, phrase))


if __name__ == "__main__":
    setattr(assembly, "Tools", partial(Tools, draw=short))  # noqa: B010
    sys.exit(main())
