"""The documentation site: every link of every page leads somewhere, every page can be found, and phones can show it."""

import functools
import http.server
import re
import threading

import pytest

from infra.paths import ROOT
from infra.site.building import ZENSICAL, check
from infra.site.staging import list_pages

PHONE = 390  # pixels across
PAGES = ("README.md", "CONTRIBUTING.md", "SECURITY.md", "CHANGELOG.md", "docs/formats.md")

pytestmark = pytest.mark.skipif(not ZENSICAL.exists(), reason="needs Zensical in .venv-docs; `make docs-check` installs it")


def nav_of(pages):
    return re.sub(
        r"^nav = \[.*?^\]", f"nav = {list(pages)}", (ROOT / "zensical.toml").read_text(), flags=re.MULTILINE | re.DOTALL
    )


@pytest.fixture
def repository(tmp_path):
    """A small repository, of which nothing is wrong."""
    for page in PAGES:
        (tmp_path / page).parent.mkdir(exist_ok=True)
        (tmp_path / page).write_text("# A page\n\n## Some `words` / more\n\n- one\n")
    (tmp_path / "zensical.toml").write_text(nav_of(PAGES))
    for path in ("template.yaml", "events/upload.json", "schemas/list.json", "infra/site/site.css"):
        (tmp_path / path).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / path).write_text("{}")
    (tmp_path / "card.md").write_text("# A card, which leads to the [template](template.yaml)\n")
    (tmp_path.parent / "outside.md").write_text("# Of another project\n")
    return tmp_path


@pytest.fixture(scope="module")
def site():
    """The site of this repository, built."""
    assert check(ROOT) == []
    return ROOT / ".site" / "built"


@pytest.fixture(scope="module")
def address(site):
    class Quiet(http.server.SimpleHTTPRequestHandler):
        def log_message(self, *_):
            pass

    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), functools.partial(Quiet, directory=site)) as server:
        threading.Thread(target=server.serve_forever).start()
        yield f"http://127.0.0.1:{server.server_port}/"
        server.shutdown()


def test_every_link_of_this_repository_leads_somewhere_and_every_page_is_in_the_navigation(site):
    assert len(list(site.rglob("*.html"))) > len(list_pages(ROOT))


def test_links_to_pages_headings_files_folders_and_pictures_hold(repository):
    (repository / "docs" / "formats.md").write_text(
        "# Formats\n\n[home](../README.md) [words](../README.md#some-words--more) [here](#formats) [out](https://example.org)\n"
        "[template](../template.yaml) [events](../events) [schemas](../schemas/) [card](../card.md) ![drawing](drawing.svg)\n"
        '<img src="drawing.svg" alt="drawing"> [reference][1]\n\n[1]: ../events/upload.json\n\n    [an example](of/a/link.md)\n'
    )
    (repository / "docs" / "drawing.svg").write_text("<svg xmlns='http://www.w3.org/2000/svg'/>")

    assert check(repository) == []
    assert (repository / ".site" / "built" / "events" / "upload.json").exists()


@pytest.mark.parametrize(
    ("text", "line"),
    [
        ("[dead](nothing.md)", "docs/formats.html: expected a page or a file of the repository. Received: nothing.html"),
        (
            "[dead](../template.yml)",
            "docs/formats.html: expected a page or a file of the repository. Received: ../template.yml",
        ),
        ("![dead](a.png)", "docs/formats.html: expected a page or a file of the repository. Received: a.png"),
        ('<img src="b.png">', "docs/formats.html: expected a page or a file of the repository. Received: b.png"),
        ("[dead](../README.md#none)", "docs/formats.html: expected a heading of that page. Received: ../index.html#none"),
        ("[dead](#none)", "docs/formats.html: expected a heading of that page. Received: #none"),
        (
            "[out](../../outside.md)",
            "docs/formats.html: expected a path inside of the repository. Received: ../../outside.html",
        ),
        (
            "![foreign](https://example.org/a.png)",
            "docs/formats.html: expected a file of the repository. Received: https://example.org/a.png, which is loaded",
        ),
    ],
    ids=["page", "file", "picture", "element", "heading", "own heading", "outside", "other host"],
)
def test_a_link_that_leads_nowhere_is_noticed(repository, text, line):
    (repository / "docs" / "formats.md").write_text(f"# Formats\n\n{text}\n")

    assert check(repository) == [line]


def test_a_dead_link_of_a_page_that_only_another_page_leads_to_is_noticed(repository):
    (repository / "README.md").write_text("# Home\n\n[card](card.md)\n")
    (repository / "card.md").write_text("# Card\n\n[dead](nothing.md)\n")

    assert check(repository) == ["card.html: expected a page or a file of the repository. Received: nothing.html"]


def test_a_page_that_the_navigation_lacks_is_noticed(repository):
    (repository / "docs" / "new.md").write_text("# New\n")

    assert check(repository) == ["zensical.toml: expected docs/new.md in `nav` once. Received: 0 times"]


def test_a_page_that_stands_in_the_navigation_twice_is_noticed(repository):
    (repository / "zensical.toml").write_text(nav_of([*PAGES, "docs/formats.md"]))

    assert check(repository) == ["zensical.toml: expected docs/formats.md in `nav` once. Received: 2 times"]


def test_a_name_in_the_navigation_that_is_no_page_is_noticed(repository):
    (repository / "zensical.toml").write_text(nav_of([*PAGES, "docs/gone.md"]))

    assert check(repository) == [
        "zensical.toml: expected names of pages in `nav`. Received: docs/gone.md, which is not there",
    ]


def test_what_zensical_cannot_build_is_told(repository):
    (repository / "docs" / "formats.md").write_text("---\ntitle: [\n---\n# Formats\n")

    assert "docs/formats.md" in check(repository)[-1]


def test_no_page_is_wider_than_a_phone_or_loads_anything_from_another_host(site, address, browser):
    page = browser.new_page(viewport={"width": PHONE, "height": 800})
    requests, complaints, wide = [], [], []
    page.on("request", lambda request: requests.append(request.url))
    page.on("pageerror", lambda error: complaints.append(str(error)))
    for path in sorted(site.rglob("*.html")):
        page.goto(f"{address}{path.relative_to(site)}")
        if page.evaluate("document.documentElement.scrollWidth") > PHONE:
            wide.append(path.name)

    assert wide == []
    assert complaints == []
    assert [url for url in requests if not url.startswith((address, "data:", "blob:"))] == []


def test_a_reader_finds_a_page_by_a_word_in_it(address, browser):
    page = browser.new_page(viewport={"width": 1280, "height": 800})
    page.goto(address)
    page.keyboard.press("Control+k")
    page.keyboard.type("supply")

    page.get_by_role("link", name="Supply chain").last.wait_for()
