"""The page: whole, self-contained, readable without colour, and safe whatever a class is called."""

import re
import shutil
from dataclasses import replace
from html.parser import HTMLParser
from itertools import pairwise
from pathlib import Path

import pytest
import torch

from model.network.spec import NetworkSpec
from model.network.stack import ForwardForwardNetwork
from tests.trained import SmallModel
from training.__main__ import main
from training.data.dataset import Dataset, Split
from training.fit.assess import History, final_report
from training.results.html.page import draw_page
from training.results.run import Run
from training.results.trained import TrainedModel
from training.settings.load import load_settings

VOID = {"meta", "img", "source", "br", "line", "circle", "rect", "polyline", "hr"}


class Page(HTMLParser):
    """Reads a page: its elements, and whether each is closed in its place."""

    def __init__(self, text: str) -> None:
        """Read the whole text."""
        super().__init__()
        self.elements: list[tuple[str, dict[str, str | None]]] = []
        self.open: list[str] = []
        self.feed(text)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        """Note an element."""
        self.elements.append((tag, dict(attrs)))
        if tag not in VOID:
            self.open.append(tag)

    def handle_startendtag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        """Note an element without content."""
        self.elements.append((tag, dict(attrs)))

    def handle_endtag(self, tag: str) -> None:
        """Close the last element, which must be this one."""
        assert self.open.pop() == tag

    def all(self, *tags: str) -> list[dict[str, str | None]]:
        """Give the attributes of all elements of some kinds."""
        return [attributes for tag, attributes in self.elements if tag in tags]


@pytest.fixture
def run(small_models: list[SmallModel], tmp_path: Path) -> Run:
    """Copy a finished run, to change it."""
    return Run(Path(shutil.copytree(small_models[0].run, tmp_path / "run")))


def drawn(run: Run) -> str:
    """Draw a run's page."""
    return draw_page("a run", run.settings(), run.load_model(), run.load_answers())


def test_a_run_ends_with_a_page(small_models: list[SmallModel]) -> None:
    """Every element is closed in its place."""
    page = Page((small_models[0].run / "report.html").read_text())

    assert page.open == []
    assert len(page.all("h1")) == 1
    assert len(page.all("svg")) >= 6


def test_a_page_loads_nothing_and_runs_nothing(run: Run) -> None:
    """Pictures are inline; there is no script, and no address of another host."""
    text = drawn(run)
    page = Page(text)

    assert page.all("script", "link", "iframe") == []
    addresses = [a.get("src") or a.get("srcset") or "" for a in page.all("img", "source")]
    assert addresses
    assert all(address.startswith("data:image/png;base64,") for address in addresses)
    assert "http://" not in text
    assert "https://" not in text
    assert "url(" not in text


def test_a_page_can_be_read_without_seeing_it(run: Run) -> None:
    """Pictures have words, drawings a name and a table, headings no gaps, links a target."""
    page = Page(drawn(run))

    assert all(picture.get("alt") for picture in page.all("img"))
    assert all(drawing.get("aria-label") for drawing in page.all("svg"))
    assert len(page.all("details")) >= len(page.all("svg"))
    levels = [int(tag[1]) for tag, _ in page.elements if re.fullmatch(r"h\d", tag)]
    assert all(after <= before + 1 for before, after in pairwise(levels))
    ids = [attributes["id"] for _, attributes in page.elements if "id" in attributes]
    assert len(ids) == len(set(ids))
    assert {link["href"] for link in page.all("a")} <= {f"#{each}" for each in ids}


def test_a_class_may_be_called_anything(run: Run) -> None:
    """Names come from folders of strangers: they are text, never markup."""
    trained = run.load_model()
    labels = ("<script>alert(1)</script>", '" onload="x', "a & b")
    named = replace(trained, report=trained.report.model_copy(update={"labels": labels}))

    page = Page(draw_page("<b>", run.settings(), named, run.load_answers()))

    assert page.open == []
    assert page.all("script", "b") == []
    assert not any("onload" in attributes for _, attributes in page.elements)


def test_many_classes_are_drawn_as_a_picture() -> None:
    """A table of 25 columns could not be read; and a run without epochs has no curves."""
    chance = torch.Generator().manual_seed(0)
    images = torch.randint(0, 256, (50, 8, 8, 3), dtype=torch.uint8, generator=chance)
    split = Split(images, torch.arange(50) % 25)
    names = tuple(f"class {k}" for k in range(25))
    spec = NetworkSpec(8, 8, 25, (6, 6), (2,), 2, shortcut=True, assignment="learnable")
    network = ForwardForwardNetwork(spec, seed=0)
    dataset = Dataset(split, split, names, may_flip=False)
    report, kept = final_report(network.eval(), dataset, split, split, History((), 0, "0" * 64))
    settings = load_settings({"data": "folder:x"})

    page = Page(draw_page("a run", settings, TrainedModel(network, report), kept))

    assert any("Confusion matrix of 25" in (picture["alt"] or "") for picture in page.all("img"))
    assert page.open == []


def test_a_page_is_drawn_anew_without_the_data(
    run: Run, capsys: pytest.CaptureFixture[str]
) -> None:
    """What it shows was kept; by the command, and the same page as at the end of training."""
    page = run.folder / "report.html"
    before = page.read_text()
    page.unlink()
    settings = run.folder / "settings.json"
    settings.write_text(settings.read_text().replace("colours", "gone"))

    assert main(["report", str(run.folder)]) == 0

    assert f"report {page}" in capsys.readouterr().out
    assert page.read_text().count("<svg") == before.count("<svg")


def test_every_image_is_shown_with_its_evidence(run: Run) -> None:
    """Of the answer, and of the label where the answer is wrong; the words give the score."""
    kept = run.load_answers()
    assert kept is not None
    wrong = kept.validation.scores.argmax(1) != kept.validation.labels
    places = kept.examples.places

    page = Page(drawn(run))

    maps = [p for p in page.all("img") if (p["alt"] or "").startswith("Its evidence for")]
    assert len(maps) == len(places) + int(wrong[places].sum())
    said = f"{kept.validation.scores[places[0]].max():+.2f} in sum"
    assert said in (maps[0]["alt"] or "")


def test_the_least_familiar_and_the_strongest_channels_are_shown(run: Run) -> None:
    """For every class; each channel with patches, which are told by their class."""
    text = drawn(run)
    page = Page(text)

    assert text.count("<h4>Least familiar</h4>") == 3
    assert ("a", {"href": "#channels"}) in page.elements
    patches = [p for p in page.all("img") if (p["alt"] or "").startswith("Part of an image")]
    assert 3 * 4 * 6 >= len(patches) >= 3 * 6


def test_a_run_that_kept_no_evidence_has_a_page_without(run: Run) -> None:
    """As earlier versions did, and networks whose positions do not share what a region says."""
    kept = run.load_answers()
    assert kept is not None
    bare = replace(kept.examples, familiarity=None, evidence=None)
    replace(kept, examples=bare, channels=None).save(run.folder / "answers.npz")

    text = drawn(run)

    assert Page(text).open == []
    assert "An image of the class" in text
    assert not any(word in text for word in ("Its evidence", "familiarity", "#channels"))


def test_a_run_of_an_earlier_version_has_a_page_without_images(run: Run) -> None:
    """It kept no answers; the rest is shown, and a note says so."""
    (run.folder / "answers.npz").unlink()

    text = drawn(run)

    assert "kept no answers" in text
    assert "Calibration error" not in text
    assert Page(text).open == []


def test_an_unfinished_run_has_no_page(run: Run, capsys: pytest.CaptureFixture[str]) -> None:
    """The message says how to finish it."""
    (run.folder / "model.pt").unlink()

    assert main(["report", "--run", str(run.folder)]) == 2

    assert "finish it with fit --resume" in capsys.readouterr().err
