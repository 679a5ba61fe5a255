"""Files that people bring: what is read, what is refused by name."""

from __future__ import annotations

import io
import zipfile
from pathlib import Path
from typing import Any

import docx
import pypdf
import pytest
from django.core.management import CommandError, call_command
from docx.oxml import parse_xml
from pypdf.generic import DictionaryObject, NameObject, StreamObject

from conversations.errors import Invalid
from conversations.tenancy import tenant_context
from ingestion import jobs
from ingestion.knowledge import extract
from ingestion.knowledge.documents import Unreadable
from ingestion.knowledge.extract import read_file, read_html
from ingestion.knowledge.files import keep_upload
from ingestion.models import JobRun, Passage, SourceDocument
from tests.asserts import assert_nothing_written
from tests.conftest import World

pytestmark = pytest.mark.usefixtures("attachments_dir")
MARKDOWN = b"# Torque\n\nTighten the hose ends to 18 ft-lb and no further.\n"


def pdf(*pages: str, title: str = "", password: str = "") -> bytes:
    """A PDF with a text layer, written by hand: the library that reads it cannot write text."""
    objects = [b"<< /Type /Catalog /Pages 2 0 R >>", b"", b"<< /Type /Font /Subtype /Type1 /BaseFont /Helvetica >>"]
    kids = []
    for text in pages:
        stream = f"BT /F1 12 Tf 72 720 Td ({text}) Tj ET".encode()
        objects.append(b"<< /Length %d >>\nstream\n%s\nendstream" % (len(stream), stream))
        objects.append(
            b"<< /Type /Page /Parent 2 0 R /MediaBox [0 0 612 792] /Contents %d 0 R "
            b"/Resources << /Font << /F1 3 0 R >> >> >>" % len(objects)
        )
        kids.append(b"%d 0 R" % len(objects))
    objects[1] = b"<< /Type /Pages /Kids [%s] /Count %d >>" % (b" ".join(kids), len(kids))
    out, offsets = bytearray(b"%PDF-1.4\n"), []
    for number, body in enumerate(objects, 1):
        offsets.append(len(out))
        out += b"%d 0 obj\n%s\nendobj\n" % (number, body)
    at = len(out)
    out += b"xref\n0 %d\n0000000000 65535 f \n" % (len(objects) + 1)
    out += b"".join(b"%010d 00000 n \n" % offset for offset in offsets)
    out += b"trailer << /Size %d /Root 1 0 R >>\nstartxref\n%d\n%%%%EOF" % (len(objects) + 1, at)
    writer = pypdf.PdfWriter(clone_from=io.BytesIO(bytes(out)))
    if title:
        writer.add_metadata({"/Title": title})
    if password:
        writer.encrypt(password)
    done = io.BytesIO()
    writer.write(done)
    return done.getvalue()


def word() -> bytes:
    document = docx.Document()
    document.add_heading("Assembling hose ends", 1)
    document.add_paragraph("Push the socket over the hose.")
    document.add_paragraph("cut square", style="List Bullet")
    document.add_paragraph("deburr", style="List Bullet")
    table = document.add_table(rows=2, cols=2)
    for cell, text in zip(table._cells, ["Size", "ID", "-6", "0.34"], strict=True):
        cell.text = text
    out = io.BytesIO()
    document.save(out)
    return out.getvalue()


def bomb() -> bytes:
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("[Content_Types].xml", "<Types/>")
        archive.writestr("word/document.xml", b"\0" * 300_000_000)
    return out.getvalue()


def ingest(world: World, *files: tuple[str, bytes]) -> JobRun:
    with tenant_context(world.acme.pk):
        uploads = [keep_upload(account_id=world.acme.pk, name=name, content=content) for name, content in files]
        params = {"files": [upload.model_dump() for upload in uploads]}
        job = jobs.queue_job(account_id=world.acme.pk, type="ingest_files", params=params, actor=world.dan)
    jobs.run_job(account_id=world.acme.pk, job_id=job.pk)
    with tenant_context(world.acme.pk):
        job.refresh_from_db()
    return job


def test_markdown_html_pdf_and_docx_become_documents(world: World) -> None:
    page = b"<html><head><title>Returns</title></head><body><nav>Menu</nav><p>Returns are free for 30 days.</p></body></html>"
    manual = pdf("Never reuse a crush washer.", "Check for leaks at idle.", title="Workshop manual")
    job = ingest(world, ("torque.md", MARKDOWN), ("returns.html", page), ("manual.pdf", manual), ("ends.docx", word()))
    assert (job.status, job.done, job.metrics["new"], job.metrics["refused"]) == ("succeeded", 4, 4, 0)
    with tenant_context(world.acme.pk):
        found = {d.source_url: (d.title, d.kind) for d in SourceDocument.objects.all()}
        texts = "\n".join(f"{p.heading}: {p.text}" for p in Passage.objects.order_by("document_id", "ordinal"))
    assert found == {
        "file:torque.md": ("Torque", "file"),
        "file:returns.html": ("Returns", "file"),
        "file:manual.pdf": ("Workshop manual", "file"),
        "file:ends.docx": ("Assembling hose ends", "file"),
    }
    assert "Torque: # Torque\n\nTighten the hose ends to 18 ft-lb" in texts
    assert "Workshop manual > Page 1: " in texts and "Check for leaks at idle." in texts
    assert "- cut square\n- deburr" in texts and "| -6 | 0.34 |" in texts
    assert "Menu" not in texts


def test_the_same_file_again_changes_nothing_and_another_text_replaces_it(world: World) -> None:
    ingest(world, ("torque.md", MARKDOWN))
    assert ingest(world, ("torque.md", MARKDOWN)).metrics["unchanged"] == 1
    assert ingest(world, ("torque.md", MARKDOWN.replace(b"18", b"20"))).metrics["changed"] == 1
    with tenant_context(world.acme.pk):
        assert "20 ft-lb" in Passage.objects.get().text


@pytest.mark.parametrize(
    ("name", "content", "why"),
    [
        ("secret.pdf", pdf("hidden", password="letmein"), "encrypted"),
        ("broken.pdf", b"%PDF-1.4 and then nothing", "damaged"),
        ("scan.pdf", pdf(""), "holds no text"),
        ("bomb.docx", bomb(), "unpacked it would be larger"),
        ("broken.docx", b"PK\x03\x04 no archive", "damaged"),
        ("blank.md", b"  \n ", "it is empty"),
        ("binary.txt", b"\0\1\2\3", "not a text"),
        ("empty.html", b"<html><body></body></html>", "holds no text"),
    ],
)
def test_a_file_that_cannot_be_read_is_named_and_the_others_go_on(
    world: World, name: str, content: bytes, why: str
) -> None:
    job = ingest(world, (name, content), ("torque.md", MARKDOWN))
    assert (job.status, job.metrics["new"], job.metrics["refused"]) == ("succeeded", 1, 1)
    assert job.metrics["problems"][0].startswith(f"{name}: ") and why in job.metrics["problems"][0]
    with tenant_context(world.acme.pk):
        assert SourceDocument.objects.get().source_url == "file:torque.md"


def test_a_job_of_which_nothing_could_be_read_fails_and_says_why(world: World) -> None:
    job = ingest(world, ("scan.pdf", pdf("")))
    assert job.status == "failed" and "scan.pdf: it holds no text" in job.error


def test_a_refused_file_leaves_the_document_of_that_name_as_it_was(world: World) -> None:
    ingest(world, ("manual.pdf", pdf("Never reuse a crush washer.")))
    ingest(world, ("manual.pdf", b"%PDF-1.4 and then nothing"), ("torque.md", MARKDOWN))
    with tenant_context(world.acme.pk):
        assert "crush washer" in Passage.objects.get(document__source_url="file:manual.pdf").text


def test_reading_that_takes_too_long_or_too_much_memory_is_given_up(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(extract, "_SECONDS", 0.0)
    with pytest.raises(Unreadable, match="too long"):
        read_file("manual.pdf", pdf("Never reuse a crush washer."))


@pytest.mark.parametrize("name", ["program.exe", "notes", "", "../../etc/passwd", "a.csv"])
def test_an_upload_of_another_kind_is_refused(world: World, attachments_dir: Path, name: str) -> None:
    with tenant_context(world.acme.pk), assert_nothing_written(), pytest.raises(Invalid, match="was not kept"):
        keep_upload(account_id=world.acme.pk, name=name, content=b"x")
    assert not attachments_dir.exists()


def test_an_uploads_name_has_no_path_and_its_bytes_are_the_accounts_own(world: World) -> None:
    upload = keep_upload(account_id=world.globex.pk, name=r"C:\docs\..\torque.md", content=MARKDOWN)
    assert upload.name == "torque.md"
    with tenant_context(world.acme.pk):
        params = {"files": [upload.model_dump()]}
        job = jobs.queue_job(account_id=world.acme.pk, type="ingest_files", params=params, actor=world.dan)
    assert jobs.run_job(account_id=world.acme.pk, job_id=job.pk) == "failed"
    with tenant_context(world.acme.pk):
        assert "not in the store" in JobRun.objects.get().error
        assert not SourceDocument.objects.exists()


@pytest.mark.parametrize(
    "params", [{}, {"files": []}, {"files": [{"name": "a.md", "sha256": "../../x"}]}, {"files": "all"}, {"more": 1}]
)
def test_params_that_are_no_files_are_refused(world: World, params: dict[str, Any]) -> None:
    with tenant_context(world.acme.pk), assert_nothing_written(), pytest.raises(Invalid, match="Nothing was started"):
        jobs.queue_job(account_id=world.acme.pk, type="ingest_files", params=params, actor=world.dan)


def test_the_command_reads_a_folder_and_says_what_it_left_out(
    world: World, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "sub").mkdir()
    (tmp_path / "sub" / "torque.md").write_bytes(MARKDOWN)
    (tmp_path / "picture.png").write_bytes(b"png")
    call_command("ingest_files", str(tmp_path), "--account", "acme")
    assert capsys.readouterr().out == "1 files: 1 new, 0 changed, 0 unchanged, 0 not read\n"
    (tmp_path / "scan.pdf").write_bytes(pdf(""))
    with pytest.raises(CommandError, match="1 of 2 files could not be read"):
        call_command("ingest_files", str(tmp_path), "--account", "acme")
    assert "not read: scan.pdf: it holds no text" in capsys.readouterr().err
    with tenant_context(world.acme.pk):
        assert SourceDocument.objects.get().source_url == "file:sub/torque.md"
        assert {job.status for job in JobRun.objects.all()} == {"succeeded"}


@pytest.mark.parametrize(("path", "account"), [("nowhere", "acme"), (".", "nobody")])
def test_the_command_refuses_what_is_not_there(world: World, tmp_path: Path, path: str, account: str) -> None:
    with pytest.raises(CommandError, match="Nothing was changed"):
        call_command("ingest_files", str(tmp_path / path), "--account", account)


@pytest.mark.parametrize("around", ["div", "main", "article", "section"])
def test_nothing_of_a_pages_content_is_lost_with_its_menus(around: str) -> None:
    found = read_html(
        f"<html><head><title>Shipping</title></head><body><header>Log in</header><nav>Shop</nav><{around}><h1>Shipping</h1>"
        "<p>We ship in a day.</p><h2>Returns</h2><ul><li>30 days</li><li>unused_parts &lt;only&gt;</li></ul><table><tr><th>Size"
        f"</th></tr><tr><td>-6</td></tr></table></{around}><footer>Imprint</footer><script>x()</script></body></html>".encode()
    )
    assert found.title == "Shipping"
    for kept in ("# Shipping", "We ship in a day.", "## Returns", "- 30 days", "unused_parts <only>", "| -6 |"):
        assert kept in found.text
    for gone in ("Log in", "Shop", "Imprint", "x()"):
        assert gone not in found.text


def test_a_page_is_read_in_its_own_charset() -> None:
    assert "Größe" in read_html("<html><body><p>Größe der Anschlüsse hier</p></body></html>".encode("cp1252")).text
    declared = (
        '<html><head><meta charset="iso-8859-2"></head><body><p>Zażółć gęślą jaźń, drogi kliencie</p></body></html>'
    )
    assert "Zażółć" in read_html(declared.encode("iso-8859-2")).text
    assert "Привет" in read_html("<p>Привет, это ответ на вопрос</p>".encode("cp1251"), charset="windows-1251").text


WORD = 'xmlns:w="http://schemas.openxmlformats.org/wordprocessingml/2006/main"'
BOX = (
    '<w:p><mc:AlternateContent xmlns:mc="http://schemas.openxmlformats.org/markup-compatibility/2006"><mc:Choice><w:r>{0}</w:r>'
    "</mc:Choice><mc:Fallback><w:r>{0}</w:r></mc:Fallback></mc:AlternateContent></w:p>"
).format("<w:txbxContent><w:p><w:r><w:t>FACT</w:t></w:r></w:p></w:txbxContent>")
RUN = "<w:r><w:t>FACT</w:t></w:r>"
CELL = "<w:tc><w:p><w:r><w:t>{}</w:t></w:r></w:p>{}</w:tc>"


@pytest.mark.parametrize(
    ("xml", "wanted"),
    [
        (f"<w:sdt><w:sdtContent><w:p>{RUN}</w:p></w:sdtContent></w:sdt>", "FACT"),
        (f"<w:p><w:sdt><w:sdtContent>{RUN}</w:sdtContent></w:sdt></w:p>", "FACT"),
        (f"<w:p><w:ins>{RUN}</w:ins><w:del><w:r><w:delText>GONE</w:delText></w:r></w:del></w:p>", "FACT"),
        (f"<w:p><w:hyperlink>{RUN}</w:hyperlink><w:moveFrom><w:r><w:t>GONE</w:t></w:r></w:moveFrom></w:p>", "FACT"),
        (BOX, "FACT"),
        (
            f"<w:tbl><w:tr>{CELL.format('A', '')}{CELL.format('B', '')}</w:tr><w:tr>{CELL.format('x', '')}"
            f"{CELL.format('y', '<w:tbl><w:tr>' + CELL.format('FACT', '') + CELL.format('C', '') + '</w:tr></w:tbl>')}</w:tr></w:tbl>",
            "FACT",
        ),
        (
            f"<w:tbl><w:tr>{CELL.format('A', '')}</w:tr><w:sdt><w:sdtContent><w:tr>{CELL.format('FACT', '')}</w:tr></w:sdtContent>"
            "</w:sdt></w:tbl>",
            "FACT",
        ),
    ],
    ids=["control", "control in a line", "tracked changes", "moved", "text box", "nested table", "controlled row"],
)
def test_what_word_shows_is_read_once_and_what_was_deleted_is_not(xml: str, wanted: str) -> None:
    document = docx.Document()
    document.element.body.insert(0, parse_xml(f"<w:body {WORD}>{xml}</w:body>")[0])
    out = io.BytesIO()
    document.save(out)
    found = read_file("x.docx", out.getvalue()).text
    assert found.count(wanted) == 1 and "GONE" not in found


def test_a_pdf_page_that_is_a_picture_is_named(world: World) -> None:
    writer = pypdf.PdfWriter(clone_from=io.BytesIO(pdf("Never reuse a crush washer.", "")))
    picture = StreamObject()
    picture.update({NameObject("/Type"): NameObject("/XObject"), NameObject("/Subtype"): NameObject("/Image")})
    writer.pages[1][NameObject("/Resources")] = DictionaryObject(
        {NameObject("/XObject"): DictionaryObject({NameObject("/Im0"): writer._add_object(picture)})}
    )
    done = io.BytesIO()
    writer.write(done)
    job = ingest(world, ("half.pdf", done.getvalue()))
    said = "Page 2 is a picture without text, a scan perhaps."
    assert job.status == "succeeded" and job.metrics["problems"] == [f"half.pdf: not all of it was read: {said}"]
    with tenant_context(world.acme.pk):
        assert SourceDocument.objects.get().metadata["missing"] == [said]
