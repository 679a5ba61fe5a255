"""Bytes without a name, or with a wrong one, are read as what they are most like."""

from __future__ import annotations

import pytest

from conversations.channels.email.reading.charsets import decode_bytes
from conversations.channels.email.reading.parse import parse_mail
from conversations.web.sanitise import sanitise_html

#: Ordinary mails of a shop's customers, in the eight sets that mail without a label comes in.
MAILS = {
    "gb18030": ("我们买的燃油泵噪音很大，可以换一个吗？", "发票开错了公司名称，麻烦重新开一张。", "快递单号是多少？急用。", "你们周末上班吗？"),
    "big5": ("我們買的燃油泵噪音很大，可以換一個嗎？", "發票開錯了公司名稱，麻煩重新開一張。", "快遞單號是多少？急用。", "你們週末上班嗎？"),
    "cp932": ("購入した燃料ポンプの音が大きいので交換できますか。", "領収書の宛名を変更してください。", "送料はいくらですか？", "返品の方法を教えてください。"),
    "cp949": ("구매한 연료 펌프 소음이 너무 큽니다. 교환할 수 있나요?", "영수증을 다시 발행해 주세요.", "배송비는 얼마입니까?", "반품 방법을 알려 주세요."),
    "koi8_r": ("Купленный насос сильно шумит, можно ли его заменить?", "Пришлите, пожалуйста, счёт ещё раз.", "Сколько стоит доставка?", "Работаете ли вы в выходные?"),
    "cp1251": ("Купленный насос сильно шумит, можно ли его заменить?", "Пришлите, пожалуйста, счёт ещё раз.", "Сколько стоит доставка?", "Работаете ли вы в выходные?"),
    "iso8859_2": ("Kupiona pompa jest bardzo głośna, czy mogę ją wymienić na inną?", "Proszę o ponowne wysłanie faktury, dziękuję bardzo.",
                  "Zakoupené čerpadlo je příliš hlučné, mohu je vyměnit?", "Prosím, pošlete mi fakturu ještě jednou, děkuji."),
    "cp1252": ("Die gekaufte Pumpe ist sehr laut, könnte ich sie zurückschicken?", "La pompe que j'ai achetée est très bruyante, où puis-je l'échanger ?",
               "La bomba que compré hace mucho ruido, ¿puedo cambiarla mañana?", "Größe?"),
}  # fmt: skip
CASES = [(codec, text) for codec, texts in MAILS.items() for text in texts]


@pytest.mark.parametrize("label", ["", "unknown-8bit", "iso-8859-1", "utf-8"])
def test_unlabelled_and_mislabelled_mail_is_read(label: str) -> None:
    wrong = [(codec, text) for codec, text in CASES if decode_bytes(text.encode(codec), label)[0] != text]
    # A label of the West stands where the text may be Western: Polish and Czech have few letters above ASCII.
    allowed = {"": 1, "unknown-8bit": 1, "iso-8859-1": 5, "utf-8": 1}  # of 32: one Japanese line is read as Chinese
    assert len(wrong) <= allowed[label], wrong


def test_a_right_label_is_believed() -> None:
    for codec, text in CASES:
        assert decode_bytes(text.encode(codec), codec)[0] == text


def test_what_was_read_otherwise_than_it_says_is_told() -> None:
    text = "Купленный насос сильно шумит"
    assert decode_bytes(text.encode("koi8_r"), "utf-8") == (
        text,
        "The text is not utf-8, as it says; it was read as koi8_r.",
    )
    assert decode_bytes("Größe".encode() + b"\xff", "utf-8")[0] == "Größe\ufffd"


@pytest.mark.parametrize(
    "label", ["utf-7", "UTF7", "unicode-1-1-utf-7", "unicode-2-0-utf-7", "csUnicode11UTF7", "x-utf-7"]
)
def test_utf_7_is_read_under_all_its_names(label: str) -> None:
    head = f"From: =?{label}?Q?J+APY-rg?= <a@b.example>\nSubject: =?{label}?B?R3IrQVB3QTN3LWU=?=\nContent-Type: text/plain; charset={label}\n"
    found = parse_mail(f"{head}\nHi, +AKM-1 +- 2, Gr+APwA3w-e +2D3eAA-".encode())
    assert (found.sender.name, found.subject) == ("Jörg", "Grüße")
    assert (found.body_text, found.problems) == ("Hi, £1 + 2, Grüße 😀", ())


@pytest.mark.parametrize("text", ["1+1=2 in truth, C++ and a+b", "Call +49 170 12", "a + b"])
def test_what_only_says_that_it_is_utf_7_stands_as_it_is(text: str) -> None:
    assert decode_bytes(text.encode(), "utf-7") == (text, "")


def test_damaged_utf_7_can_be_stored() -> None:
    text, _ = decode_bytes(b"a+2AA-b+AAA-c \xff", "utf-7")
    assert "\x00" not in text
    text.encode("utf-8")


@pytest.mark.parametrize(
    "where", ["Content-Type: text/html; charset=utf-7\n\n", "Content-Type: text/html\n\n<meta charset=utf-7>"]
)
def test_html_in_utf_7_is_made_harmless_like_any_other(where: str) -> None:
    hidden = "+ADw-script+AD4-alert(1)+ADw-/script+AD4APA-img src=x onerror=x()+AD4-"
    found = parse_mail(f"From: a@b.example\n{where}<p>Hi</p>{hidden}".encode())
    assert "<script>alert(1)</script>" in found.body_html  # it is read as what it is ...
    assert sanitise_html(found.body_html).replace("\n", "") == "<p>Hi</p><img>"  # ... and then cleaned
    assert found.body_text == "Hi"


def test_nothing_that_does_not_say_so_is_read_as_utf_7() -> None:
    text = "+ADw-script+AD4-"
    assert all(decode_bytes(text.encode(), label)[0] == text for label in ("", "us-ascii", "utf-8", "no-such-set"))
