"""The sheet in a browser: what a person sees, clicks, types and saves."""

import csv
import io
import json
import re

import pytest

from infra.show.sheet.entries import Noted
from tests.infra.show.sheet.conftest import MANIFEST, predicted, rejected

FORGED = (
    "</script><script>alert(1)</script>.png",
    "<img src=x onerror=alert(1)>.png",
    "\u202egnp.exe",
    "a\x00b\x1b[31m\r\nc.png",
    "{{ 7 * 7 }}'\"`${alert(1)}.png",
    "-->]]>&lt;.png",
    "é" * 1000,
)


CONTRAST = """() => {
  const rgb = (text) => text.match(/[\\d.]+/g).map(Number);
  const linear = (value) => (value <= 0.04045 ? value / 12.92 : ((value + 0.055) / 1.055) ** 2.4);
  const light = ([r, g, b]) => 0.2126 * linear(r / 255) + 0.7152 * linear(g / 255) + 0.0722 * linear(b / 255);
  const ground = (one) => {
    const color = rgb(getComputedStyle(one).backgroundColor);
    return color.length === 4 && color[3] === 0 ? ground(one.parentElement) : color;
  };
  const texts = "h1, .facts *, .mark, .class, .percent, .name, .note, .right, .count, .quiet, .number, .field label, #save";
  return [...document.querySelectorAll(texts)].filter((one) => one.offsetParent).map((one) => {
    const [a, b] = [light(rgb(getComputedStyle(one).color)), light(ground(one))].sort((x, y) => y - x);
    return [one.className || one.tagName, (a + 0.05) / (b + 0.05)];
  });
}"""


@pytest.fixture
def rows():
    return [
        predicted("rack/a.png", "Coat", 0.99),
        predicted("rack/b.png", "Shirt", 0.5, unsure=True),
        predicted("c.png", "Coat", 0.7, unfamiliar=True),
        rejected("d.png"),
        predicted("all.zip", "Bag", 0.8, image="e.png"),
    ]


def names(page):
    return page.locator(".card .name").all_text_contents()


def correct(page, name, label):
    page.locator("#grid").get_by_role("button", name=re.compile(f"^{re.escape(name)}")).click()
    page.get_by_label("Right class").select_option(label=label)
    page.keyboard.press("Escape")


def saved(page):
    with page.expect_download() as download:
        page.get_by_role("button", name="Save labels").click()
    assert download.value.suggested_filename == "labels.csv"
    return download.value.path().read_bytes()


def test_each_image_stands_with_its_prediction_and_the_doubtful_ones_come_first(write, look, rows):
    page = look(write(rows).pages[0])

    assert names(page) == ["d.png", "c.png", "b.png", "e.png in all.zip", "a.png"]
    assert page.locator(".card .class").all_text_contents() == ["Rejected", "Coat", "Shirt", "Bag", "Coat"]
    assert page.locator(".card .percent").all_text_contents() == ["70.0%", "50.0%", "80.0%", "99.0%"]
    assert page.locator(".card .mark").all_text_contents() == ["rejected", "unfamiliar", "unsure"]
    assert page.locator(".card img").count() == 5


def test_a_class_is_filtered_by_its_bar_and_the_count_is_announced(write, look, rows):
    page = look(write(rows).pages[0])
    bar = page.get_by_role("button", name="Coat 2")

    bar.click()

    assert names(page) == ["c.png", "a.png"]
    assert bar.get_attribute("aria-pressed") == "true"
    count = page.locator("#count")
    assert (count.inner_text(), count.get_attribute("aria-live")) == ("2 of 5 shown", "polite")

    bar.click()

    assert count.inner_text() == "5 shown"


def test_images_are_searched_selected_and_sorted(write, look, rows):
    page = look(write(rows).pages[0])

    page.get_by_label("Sort by").select_option(label="Confidence, low first")
    page.get_by_label("Search by name").fill("RACK")
    assert names(page) == ["b.png", "a.png"]

    page.get_by_label("Show", exact=True).select_option(label="Rejected")
    assert names(page) == []
    page.get_by_role("button", name="Show all images").click()
    page.get_by_label("Sort by").select_option(label="Name")
    assert names(page) == ["e.png in all.zip", "c.png", "d.png", "a.png", "b.png"]


def test_corrections_are_counted_undone_and_saved(write, look, rows):
    page = look(write(rows, manifest=MANIFEST).pages[0])

    correct(page, "a.png", "T-shirt/top")
    correct(page, "e.png", "None of these")
    correct(page, "b.png", "Dress")
    assert page.locator("#corrected").inner_text() == "3 corrections"
    page.get_by_role("button", name="Undo").click()

    assert page.locator("#corrected").inner_text() == "2 corrections"
    assert page.locator(".card .right").all_text_contents() == ["→ None of these", "→ T-shirt/top"]
    assert saved(page) == (b"object,image,class_name\r\nphotos/rack/a.png,a.png,T-shirt/top\r\nphotos/all.zip,e.png,\r\n")


def test_a_correction_is_taken_back_by_choosing_what_was_predicted(write, look, rows):
    page = look(write(rows).pages[0])

    correct(page, "a.png", "Bag")
    correct(page, "a.png", "As predicted: Coat")

    assert page.locator("#corrected").inner_text() == "0 corrections"
    assert page.get_by_role("button", name="Save labels").is_disabled()


def test_a_rejected_image_tells_why_and_has_no_class_to_correct(write, look, rows):
    page = look(write(rows).pages[0])

    page.get_by_role("button", name="d.png").click()

    assert page.locator("#details-reason").inner_text() == "UnreadableImage: Expected a whole one."
    assert page.get_by_label("Right class").is_hidden()


def test_a_reload_loses_no_correction_and_another_sheet_has_its_own(write, look, rows):
    page = look(write(rows).pages[0])
    correct(page, "a.png", "Bag")

    page.reload()
    assert page.locator("#corrected").inner_text() == "1 correction"
    assert saved(page).endswith(b"photos/rack/a.png,a.png,Bag\r\n")

    write(rows[:2])
    page.reload()
    assert page.locator("#bar").is_hidden()


def test_a_browser_that_keeps_nothing_says_so_and_saves_all_the_same(write, browser, rows):
    context = browser.new_context()
    context.add_init_script("Object.defineProperty(window, 'localStorage', {get() { throw new Error('refused'); }})")
    page = context.new_page()
    page.goto(write(rows).pages[0].as_uri())

    correct(page, "a.png", "Bag")

    assert page.locator("#kept").inner_text() == "not kept: save them before you leave"
    assert saved(page).endswith(b"photos/rack/a.png,a.png,Bag\r\n")
    context.close()


def test_what_somebody_left_in_the_browser_does_not_break_the_page(write, look, rows):
    page = look(write(rows).pages[0])
    correct(page, "a.png", "Bag")
    for content in ("{", "7", '[["photos/rack/a.png"], 3, null, ["photos/rack/a.png", "a.png", {}]]'):
        page.evaluate("content => Object.keys(localStorage).forEach((key) => localStorage.setItem(key, content))", content)

        page.reload()

        assert (page.locator(".card").count(), page.locator("#bar").is_hidden()) == (5, True)


def test_the_saved_labels_are_safe_in_spreadsheets_and_come_back_as_they_were(write, look):
    keys = ["=1+2.png", "@a.png", "-b.png", "+c.png", "'=d.png", "'e.png", '"f",g.png', "h\r\ni.png", "\u202ej.png"]
    page = look(write([predicted("x/" + key) for key in keys] + [predicted("k.png", "=cmd")]).pages[0])
    for place in range(len(keys)):
        page.locator(".card").nth(place).click()
        page.get_by_label("Right class").select_option(label="=cmd")
        page.keyboard.press("Escape")

    content = saved(page).decode()

    header, *labels = csv.reader(io.StringIO(content, newline=""), strict=True)
    back = [[re.sub(r"^'(?='*[=+\-@\t\r])", "", cell) for cell in row] for row in labels]
    assert header == ["object", "image", "class_name"]
    assert back == [[f"photos/x/{key}", key, "=cmd"] for key in keys]
    assert [cell for row in labels for cell in row if cell.startswith(tuple("=+-@\t\r"))] == []
    assert content.splitlines(keepends=True)[1] == "photos/x/=1+2.png,'=1+2.png,'=cmd\r\n"


def test_hostile_names_classes_notes_and_titles_show_as_text(write, look):
    rows = [Noted(predicted(f"x/{name}", name, image=name), name) for name in FORGED]
    page = look(write(rows, title=FORGED[0] + FORGED[2]).pages[0])

    assert page.title() == FORGED[0] + "\\u202egnp.exe"
    texts = page.locator(".card .class").all_text_contents()
    assert texts[:5] == [*FORGED[:2], "\\u202egnp.exe", "a\\u0000b\\u001b[31m\\u000d\\u000ac.png", FORGED[4]]
    assert texts[-1] == FORGED[-1]
    assert page.locator("script").count() == 2
    for place in range(len(FORGED)):
        page.locator(".card").nth(place).click()
        assert page.locator("#details-name").text_content() == texts[place]
        page.keyboard.press("Escape")


@pytest.mark.parametrize("width", [320, 375, 1280])
def test_nothing_is_wider_than_the_window(write, look, width):
    page = look(
        write([*(predicted(name, name) for name in FORGED), rejected("x" * 1000)], title="x" * 500).pages[0], width=width
    )
    page.locator(".card").first.click()
    assert page.evaluate("document.documentElement.scrollWidth") == width

    page.keyboard.press("Escape")
    correct(page, "-->", "None of these")
    assert page.evaluate("document.documentElement.scrollWidth") == width


def test_the_grid_is_one_stop_of_the_keyboard_and_is_moved_in_by_arrows(write, look, rows):
    page = look(write(rows).pages[0])
    for _ in range(20):
        page.keyboard.press("Tab")
        if page.evaluate("document.activeElement.matches('.card')"):
            break
    focused = "document.activeElement.querySelector('.name')?.textContent"

    assert page.locator(".card[tabindex='0']").count() == 1
    page.keyboard.press("ArrowRight")
    page.keyboard.press("ArrowRight")
    assert page.evaluate(focused) == "b.png"
    page.keyboard.press("End")
    assert page.evaluate(focused) == "a.png"
    page.keyboard.press("Home")
    assert page.evaluate(focused) == "d.png"

    page.keyboard.press("ArrowRight")
    page.keyboard.press("Enter")
    page.keyboard.type("Sh")  # the class, by its first letters
    page.keyboard.press("Escape")
    page.locator("#details").wait_for(state="hidden")
    page.wait_for_function("document.activeElement.matches('.card')")
    assert page.evaluate(focused) == "c.png"
    assert page.locator(".card .right").all_text_contents() == ["→ Shirt"]


def test_arrows_step_through_the_details_and_focus_returns_to_the_image_that_was_shown(write, look, rows):
    page = look(write(rows).pages[0])
    page.get_by_role("button", name="d.png").click()

    page.keyboard.press("ArrowRight")
    page.keyboard.press("ArrowRight")
    assert page.locator("#details-name").inner_text() == "b.png"
    assert page.locator("#details-place").inner_text() == "3 of 5"
    page.keyboard.press("Escape")
    page.wait_for_function("document.activeElement.matches('.card')")

    assert page.evaluate("document.activeElement.querySelector('.name').textContent") == "b.png"


def test_each_control_has_a_name_and_each_image_its_place(write, look, rows):
    page = look(write(rows).pages[0])

    tree = page.locator("body").aria_snapshot()
    assert 'searchbox "Search by name"' in tree
    assert 'combobox "Sort by"' in tree
    assert 'button "c.png; Coat, 70.0%; unfamiliar"' in tree
    assert page.locator("#grid li").nth(1).get_attribute("aria-posinset") == "2"
    assert page.locator("#grid li").nth(1).get_attribute("aria-setsize") == "5"


def test_a_thousand_images_are_drawn_as_they_are_scrolled_to(write, look):
    page = look(write(predicted(f"{number:04}.png", confidence=number / 1000) for number in range(1000)).pages[0])

    assert page.locator("#count").inner_text() == "1,000 shown"
    assert page.locator(".card").count() < 300
    page.locator(".card").first.focus()
    page.keyboard.press("End")

    assert page.evaluate("document.activeElement.querySelector('.name').textContent") == "0999.png"
    assert page.locator(".card").count() == 1000


def test_all_images_are_drawn_for_the_printer_and_no_controls(write, look):
    page = look(write(predicted(f"{number:04}.png") for number in range(500)).pages[0])

    page.evaluate("dispatchEvent(new Event('beforeprint'))")
    page.emulate_media(media="print")

    assert page.locator(".card").count() == 500
    assert page.locator("#tools").is_hidden()


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_text_stands_out_from_its_ground_by_day_and_by_night(write, look, rows, scheme):
    """WCAG asks for 4.5."""
    page = look(write([Noted(row, "was Bag") for row in rows]).pages[0], scheme=scheme)
    correct(page, "a.png", "Bag")

    found = page.evaluate(CONTRAST)

    assert len(found) > 20
    assert [each for each in found if each[1] < 4.5] == []


def test_notes_are_shown_and_found(write, look, rows):
    page = look(write([Noted(rows[0], "was Bag, is Coat"), rows[1]]).pages[0])

    assert page.locator(".card .note").all_text_contents() == ["was Bag, is Coat"]
    assert page.get_by_role("button", name="a.png; Coat, 99.0%; was Bag, is Coat").count() == 1


def test_the_policy_of_the_page_refuses_scripts_of_others(write, browser, rows):
    path = write(rows).pages[0]
    context = browser.new_context()
    page = context.new_page()
    refused = []
    page.on("console", lambda message: refused.append(message.text))
    page.goto(path.as_uri())

    page.evaluate("""() => {
      const script = document.createElement("script");
      script.textContent = "window.forged = true";
      document.body.append(script);
      document.body.insertAdjacentHTML("beforeend", "<img src='https://example.org/x.png'>");
    }""")
    page.wait_for_function("document.querySelector('img[src^=https]').complete")

    assert page.evaluate("window.forged") is None
    assert len([text for text in refused if "Content Security Policy" in text]) == 2
    context.close()


def test_pages_lead_to_each_other_and_share_their_corrections(write, look):
    summary = write([rejected(f"{number}.png") for number in range(3)] + [predicted("sure.png")], page_images=2)
    page = look(summary.pages[0])
    page.get_by_role("link", name="Page 2").click()

    assert names(page) == ["2.png", "sure.png"]
    assert page.get_by_role("link", name="Page 2").get_attribute("aria-current") == "page"
    correct(page, "sure.png", "None of these")
    page.get_by_role("link", name="Page 1").click()
    assert page.locator("#corrected").inner_text() == "1 correction"


def test_the_data_of_the_page_cannot_end_its_script(write):
    text = write([predicted(name, name) for name in FORGED]).pages[0].read_text()

    block = re.search(r'<script type="application/json" id="data">(.*?)</script>', text, re.DOTALL)[1]
    assert {"<", ">", "&", "\u2028"}.isdisjoint(block)
    assert len(json.loads(block)["images"]) == len(FORGED)
