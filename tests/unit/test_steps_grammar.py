"""The step language: what each sentence means, and what is said of one that means nothing."""

from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from runwire.errors import InvalidInput
from runwire.protocol.steps import actions as do
from runwire.protocol.steps.forms import FORMS, USAGE
from runwire.protocol.steps.grammar import parse_step
from runwire.protocol.steps.target import Target

PAGE = Path(__file__).parents[2] / "docs" / "browser-tests.md"
SENTENCES: list[tuple[str, do.Action]] = [
    ("Navigate to https://example.org/a?b=1", do.Navigate("https://example.org/a?b=1")),
    ('open "cart.html"', do.Navigate("cart.html")),
    ("Go to /samples/", do.Navigate("/samples/")),
    ("Go back", do.Travel("back")),
    ("Reload the page", do.Travel("reload")),
    ('Click "Add to cart"', do.Click(Target("Add to cart"))),
    ("Click on “Add to cart”", do.Click(Target("Add to cart"))),
    ("Click Add to cart", do.Click(Target("Add to cart"))),
    ("Click Sign in", do.Click(Target("Sign in"))),
    ("Click the Checkout button", do.Click(Target("Checkout", "role", "button"))),
    ('Click link "Home"', do.Click(Target("Home", "role", "link"))),
    ('Click the 2nd "Add" button in "Blue mug"', do.Click(Target("Add", "role", "button", 1, "Blue mug"))),
    ('Click last "Add"', do.Click(Target("Add", nth=-1))),
    ('Click css ".a > b[href=\'x\']"', do.Click(Target(".a > b[href='x']", "css"))),
    ('Click css=.a > b[href="x"]', do.Click(Target('.a > b[href="x"]', "css"))),
    ('Click test id "total"', do.Click(Target("total", "test_id"))),
    ('Double-click "Row"', do.Click(Target("Row"), double=True)),
    ('Double click on "Row"', do.Click(Target("Row"), double=True)),
    ('Right-click "Row"', do.Click(Target("Row"), button="right")),
    ('Fill "Email" with "a@b.c"', do.Fill(Target("Email"), "a@b.c")),
    ('Fill in the email field with "say \\"hi\\""', do.Fill(Target("email", "field"), 'say "hi"')),
    ('Fill "Name" with ""', do.Fill(Target("Name"), "")),
    ("Enter Bob in Name", do.Fill(Target("Name"), "Bob")),
    ('Fill placeholder "you@…" with x', do.Fill(Target("you@…", "placeholder"), "x")),
    ('Clear "Name"', do.Fill(Target("Name"), "")),
    ('Type "abc" into "Search"', do.TypeText("abc", Target("Search"))),
    ('Type "abc"', do.TypeText("abc")),
    ("Press Enter", do.Press("Enter")),
    ('Press Control+A on "Search"', do.Press("Control+A", Target("Search"))),
    ('Select "Large" from "Size"', do.Select(Target("Size"), "Large")),
    ('Choose "Large" in the Size dropdown', do.Select(Target("Size", "field"), "Large")),
    ('Check "I agree"', do.SetChecked(Target("I agree"), True)),
    ('Uncheck "I agree"', do.SetChecked(Target("I agree"), False)),
    ('Hover over "Menu"', do.Hover(Target("Menu"))),
    ('Scroll to "Footer"', do.ScrollTo(Target("Footer"))),
    ("Wait for 2 seconds", do.WaitSeconds(2.0)),
    ("Wait 1 second", do.WaitSeconds(1.0)),
    ('Wait for "Done"', do.WaitForElement(Target("Done"))),
    ('Wait for "Spinner" to disappear', do.WaitForElement(Target("Spinner"), visible=False)),
    ('Wait until "Done" is visible', do.WaitForElement(Target("Done"))),
    ('Verify text "Thank you"', do.VerifyText("Thank you")),
    ('Verify that text "Thank you" is visible', do.VerifyText("Thank you")),
    ('Verify text "Error" is not visible', do.VerifyText("Error", absent=True)),
    ('Verify text "Error" is no longer shown', do.VerifyText("Error", absent=True)),
    ('Verify title "Shop"', do.VerifyTitle("Shop")),
    ('Verify the title is "Shop"', do.VerifyTitle("Shop", "is")),
    ('Verify title is not "Shop"', do.VerifyTitle("Shop", "is", negated=True)),
    ("Verify URL contains cart.html", do.VerifyUrl("cart.html")),
    ('Verify url is "http://a/b"', do.VerifyUrl("http://a/b", "is")),
    ("Verify URL does not contain error", do.VerifyUrl("error", negated=True)),
    ('Verify value of "Quantity" is 2', do.VerifyValue(Target("Quantity"), "2")),
    ('Verify attribute "href" of link "Home" contains "index"',
     do.VerifyAttribute(Target("Home", "role", "link"), "href", "index", "contains")),
    ('Verify number of css ".item" is 3', do.VerifyCount(Target(".item", "css"), 3)),
    ('Verify element "Pay"', do.VerifyElement(Target("Pay"))),
    ('Verify element "Pay" is disabled', do.VerifyElement(Target("Pay"), "disabled")),
    ('Verify element button "Pay" is not shown', do.VerifyElement(Target("Pay", "role", "button"), "hidden")),
    ('Verify element "Gift" is checked', do.VerifyElement(Target("Gift"), "checked")),
    ('Upload "a.txt" to "File"', do.Upload(Target("File"), "a.txt")),
    ('Accept the next dialog with "yes"', do.AnswerDialog(True, "yes")),
    ("Accept alert", do.AnswerDialog(True)),
    ("Dismiss dialog", do.AnswerDialog(False)),
    ('Verify dialog says "Really?"', do.VerifyDialog("Really?")),
    ('Verify download "report.csv"', do.VerifyDownload("report.csv")),
    ("Verify the download \"${name}\" has finished", do.VerifyDownload("${name}")),
    ('Verify that the file "report.csv" was downloaded', do.VerifyDownload("report.csv")),
    ('Verify download "a.csv" is not empty', do.VerifyDownload("a.csv", filled=True)),
    ('Verify download name contains "report-"', do.VerifyDownload("report-", "contains")),
    ('Wait until "report.csv" has been downloaded', do.VerifyDownload("report.csv")),
    ('Wait for download "report.csv" to finish', do.VerifyDownload("report.csv")),
    ("Wait for Download button", do.WaitForElement(Target("Download", "role", "button"))),
    ('Wait for "Download complete"', do.WaitForElement(Target("Download complete"))),
    ("Switch to new tab", do.SwitchPage(newest=True)),
    ("Switch to the first page", do.SwitchPage(newest=False)),
    ('Set name to "Ada"', do.SetVariable("name", "Ada")),
    ('Remember test id "number" as order', do.Remember(Target("number", "test_id"), "order")),
    ('Remember text of "Total" as ${sum}', do.Remember(Target("Total"), "sum")),
    ('In frame "pay": Click "Pay"', do.InFrame("pay", do.Click(Target("Pay")))),
    ("In frame pay: Fill Card with 42", do.InFrame("pay", do.Fill(Target("Card"), "42"))),
    ("Take screenshot", do.TakeScreenshot()),
    ('Take a screenshot as "cart"', do.TakeScreenshot("cart")),
]  # fmt: skip


@pytest.mark.parametrize(("sentence", "action"), SENTENCES, ids=[sentence for sentence, _ in SENTENCES])
def test_sentence_means(sentence: str, action: do.Action) -> None:
    assert parse_step(1, sentence).action == action


@pytest.mark.parametrize(
    ("sentence", "message"),
    [
        ("Click", "step 3: no target given"),
        ('Click ""', "step 3: no target given: the quotes are empty"),
        ("Click the", "step 3: no target given"),
        ('Fill with "x"', "step 3: no target given"),
        ('Fill "Email"', 'step 3: expected "with" after the target'),
        ('Fill "Email" with', "step 3: no value given"),
        ("Go to", "step 3: no address given"),
        ('Click "A" banana', 'step 3: unexpected "banana" next to a quoted text'),
        ('Click "A', "step 3: the quote opened at '\"A' is not closed"),
        ("", "step 3: the sentence is empty"),
        ("Wait 0 seconds", "step 3: a wait must be above 0"),
        ("Press two words here", "step 3: \"two words here\" is no key"),
        ('Verify number of "x" is many', 'step 3: "many" is no whole number'),
        ('In frame "a" Click "b"', 'step 3: expected ":" after the frame'),
        ('In frame : Click "b"', "step 3: no frame given"),
        ('In frame "a":', "step 3: no sentence after the frame"),
        ('In frame "a": Open http://x/', "step 3: Navigate cannot be done in a frame"),
        ("Set 1x to 5", 'step 3: "1x" is no name of a variable'),
        ("Verify download", "step 3: no file given"),
        ("Verify download report.csv", 'step 3: put quotes around the name, as in: Verify download "report.csv"'),
        ('Verify download "a.csv" is empty', 'step 3: unexpected "is"'),
        ('In frame "a": Verify download "b"', "step 3: VerifyDownload cannot be done in a frame"),
        ("Verify", 'step 3: "Verify" alone says nothing; known are: Verify text'),
        ('Verify colour "red"', 'step 3: "Verify colour" is not known; known are: Verify text'),
    ],
)  # fmt: skip
def test_senseless_sentence_is_told_what_is_missing(sentence: str, message: str) -> None:
    with pytest.raises(InvalidInput) as caught:
        parse_step(3, sentence)
    assert caught.value.message.startswith(message)
    assert caught.value.details["step"] == 3


def test_unknown_sentence_names_the_known_forms() -> None:
    with pytest.raises(InvalidInput) as caught:
        parse_step(1, 'Clik "x"')
    assert 'no known sentence starts with "Clik" (did you mean "Click"?)' in caught.value.message
    assert all(usage in caught.value.message for usage in USAGE)


def test_usage_and_table_name_the_same_verbs() -> None:
    verbs = {word for form in FORMS for pattern in form.patterns for word in pattern.elements[0].phrases}
    used = {usage.split()[0].lower() for usage in USAGE}
    assert used - {"in"} <= verbs


def test_the_documentation_lists_every_word_that_a_sentence_may_begin_with() -> None:
    page = PAGE.read_text(encoding="utf-8").lower()
    verbs = {word for form in FORMS for pattern in form.patterns for word in pattern.elements[0].phrases}
    assert [verb for verb in sorted(verbs) if f"`{verb}" not in page and f"`{verb}" not in page.replace("-", "")] == []


def test_long_sentence_is_refused() -> None:
    with pytest.raises(InvalidInput, match="longer than 1000 characters"):
        parse_step(1, "Click " + "a" * 1000)


@given(st.text(max_size=200))
def test_any_text_is_a_step_or_a_clear_error(text: str) -> None:
    complaint = ""
    try:
        parse_step(7, text)
    except InvalidInput as error:
        complaint = error.message
    assert complaint == "" or complaint.startswith("step 7: ")


@given(st.text(min_size=1, max_size=50).filter(str.strip))
def test_quoted_text_comes_back_as_it_was(text: str) -> None:
    quoted = '"' + text.replace("\\", "\\\\").replace('"', '\\"') + '"'
    assert parse_step(1, f"Verify text {quoted}").action == do.VerifyText(text)
    assert parse_step(1, f"Fill {quoted} with {quoted}").action == do.Fill(Target(text), text)


def test_target_reads_back_as_a_person_would_write_it() -> None:
    assert str(Target("Add", "role", "button", 1, "Blue mug")) == '2nd button "Add" in "Blue mug"'
    assert str(Target("Add", nth=-1)) == 'last "Add"'
    assert str(Target("a b", "test_id", nth=10)) == '11th test id "a b"'


def test_documentation_lists_every_form() -> None:
    page = PAGE.read_text(encoding="utf-8")
    for usage in USAGE:
        assert usage.replace("|", "\\|").split(" [")[0].replace("SENTENCE", "") in page.replace("SENTENCE", ""), usage
