"""Texts: what is refused, what is left out, where they are divided, how English is read."""

from __future__ import annotations

import time
from types import SimpleNamespace
from typing import Any, cast

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from engines.errors import UnusableText
from engines.types import Voice
from engines.voices.english import in_words
from engines.voices.splitting import LONGEST, ends_sentence, stretches
from engines.voices.text import check, nearest_language, plain

VOICE = cast(Voice, SimpleNamespace(name="echo", languages=("en-US", "de", "en-GB")))


def ask(text: str, **options: Any) -> str:
    return check(text, **{"language": "", "pace": 1.0, "voice": VOICE, **options})


@pytest.mark.parametrize(
    ("text", "options", "words"),
    [
        ("", {}, "nothing to say"),
        (" \n\t", {}, "nothing to say"),
        ("?! … 😀 \x00", {}, "nothing to say"),
        ("a" * 10_001, {}, "10001 characters"),
        ('<speak>Hello <break time="1s"/></speak>', {}, "SSML"),
        ("Hello <Prosody rate='fast'>you</prosody>", {}, "SSML"),
        ("one<s>two</s>", {}, "SSML"),
        ("Hello", {"pace": 0.2}, "between 0.5 and 2"),
        ("Hello", {"pace": float("nan")}, "between 0.5 and 2"),
        ("Hello", {"language": "fr-FR"}, "'fr-FR'.*en-US, de, en-GB"),
        ("Hello", {"language": "x" * 5000}, "does not speak"),
    ],
)
def test_what_is_refused(text: str, options: dict[str, Any], words: str) -> None:
    with pytest.raises(UnusableText, match=words) as caught:
        ask(text, **options)
    assert len(str(caught.value)) < 250


@pytest.mark.parametrize("text", ["a" * 10_000, "2 < 3 > 1", "I <3 you", "a <b> c", "7", "你好"])
def test_what_is_taken(text: str) -> None:
    assert ask(text) == "en-US"


@pytest.mark.parametrize(
    ("wanted", "found"),
    [
        ("en-us", "en-US"),
        ("EN_GB", "en-GB"),
        ("en", "en-US"),
        ("en-NZ", "en-US"),
        ("de-AT-1996", "de"),
        ("d", None),
        ("", None),
        ("-", None),
    ],
)
def test_the_language_that_is_meant(wanted: str, found: str | None) -> None:
    assert nearest_language(wanted, VOICE.languages) == found


def test_what_cannot_be_said_is_left_out() -> None:
    assert (
        plain("A\x00B\u200bC\ufeff 😀❤️→ \U0001f468\u200d\U0001f469 \ud800é\u0301\n")
        == "A BC   é\u0301\n"
    )
    assert plain("می\u200cخواهم क्\u200dष") == "می\u200cخواهم क्\u200dष"


def parts(text: str) -> list[str]:
    return list(stretches(text))


def test_sentences_are_stretches() -> None:
    assert parts("Yes. “Go!” she said. Then?\nNext line  End") == [
        "Yes. ",
        "“Go!” she said. ",
        "Then?\n",
        "Next line  End",
    ]
    assert parts("今天天气很好。我们去公园吧！") == ["今天天气很好。", "我们去公园吧！"]


@pytest.mark.parametrize(
    "text",
    [
        "Dr. Smith and Mrs. J. R. Brown met at St. Paul's.",
        "It costs 3.50 e.g. at No. 5 on Jan. 3.",
        "At 9 a.m. they left the U.S. Army.",
        "Am 3. März z.B. um 10 Uhr.",
        "Version 1.2.3 is at example.com today.",
        "Well ... maybe.",
    ],
)
def test_a_full_stop_within_a_sentence_does_not_divide_it(text: str) -> None:
    assert parts(text) == [text]


LONG = (
    "Please sign in on the screen, and take a seat by the window, where the light is good, the"
    " chairs are soft, and coffee is served until half past three, unless of course the machine has"
    " broken down again, as it has done on every second Monday of this year"
)


def test_a_long_sentence_begins_with_a_short_stretch_and_goes_on_in_clauses() -> None:
    divided = parts(LONG)
    assert divided[0] == LONG[: LONG.index("the chairs")][: len(divided[0])]
    assert 20 <= len(divided[0]) <= 90
    assert all(part.rstrip().endswith(",") for part in divided[:-1])
    assert all(len(part) <= LONGEST for part in divided)


def test_numbers_and_words_stay_whole() -> None:
    words = parts("word " * 100)
    assert all(set(part.split()) == {"word"} for part in words)
    number = "1 234 567"
    numbers = parts(f"{number}, und " * 40)
    assert "".join(numbers).count(number) == sum(part.count(number) for part in numbers)


@settings(deadline=None)
@given(st.text(st.sampled_from('aB1 .,!?;:-—\n"”)。，é\u0301')) | st.text())
def test_stretches_join_to_the_text_and_are_short(text: str) -> None:
    divided = parts(text)
    assert "".join(divided) == text
    assert all(0 < len(part) <= LONGEST for part in divided)


@pytest.mark.parametrize(
    "sign", [".", "?”", "a.", " ", "\n", "1 ", "a,", "”", ",,", "A. ", "。", "<"]
)
def test_no_text_takes_long_to_divide(sign: str) -> None:
    text = (sign * 10_000)[:10_000]
    began = time.process_time()
    assert "".join(parts(text)) == text
    ask(f"a{text}"[:10_000])
    assert time.process_time() - began < 1


def test_where_a_speaker_breathes() -> None:
    assert all(map(ends_sentence, ["Yes. ", "“No!” ", "好。", "a line\n"]))
    assert not any(map(ends_sentence, ["and then, ", "word ", ""]))


@pytest.mark.parametrize(
    ("written", "said"),
    [
        ("At 10:30 or 5:00 pm.", "At ten thirty or five P.M."),
        ("Dr. Lee, St. James St.", "Dr Lee, Saint James Street."),
        (
            "$3.50, $1, £1,234.56, 5€",
            "3 dollars and 50 cents, 1 dollar, 1,234 pounds and 56 pence, 5 euros",
        ),
        ("$0.99 and $1.5 million", "99 cents and 1.5 million dollars"),
        ("20°C and 5 km", "20 degrees Celsius and 5 kilometers"),
        ("2024-03-05, 3 March", "March fifth, 2024, the third of March"),
        ("Henry VIII, Chapter IV", "Henry the eighth, Chapter 4"),
        ("2½ or ¾", "2 and a half or three quarters"),
        ("open 24/7", "open twenty-four seven"),
        ("555-1234", "5 5 5, 1 2 3 4"),
        ("+1 (555) 123-4567.", "plus 1, 5 5 5, 1 2 3, 4 5 6 7."),
        ("0123456789012345678", "0 1 2 3 4 5 6 7 8 9 0 1 2 3 4 5 6 7 8"),
        ("b.lee@example.co.uk.", "b dot lee at example dot co dot U K."),
        ("https://www.example.com/a-b/?q=1", "example dot com slash a dash b"),
        ("Ask example.com.", "Ask example dot com."),
        ("at Node.js e.g. here", "at Node.js e.g. here"),
        ("# Title\n- **bold** `code`", "Title bold code"),
        ("[here](https://a.b/c)", "here"),
        ("#1 & 10-20", "number 1 & 10 to 20"),
    ],
)
def test_how_english_is_read(written: str, said: str) -> None:
    assert in_words(written) == said


@settings(deadline=None)
@given(st.text(st.sampled_from("aB1.,:/@-+$€£½#*_`[]()% \n°"), max_size=LONGEST))
def test_any_english_can_be_read(text: str) -> None:
    assert isinstance(in_words(text), str)
