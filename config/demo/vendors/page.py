"""The pages of the demo's stand-ins: what was said where, and a box to say something. Plain HTML, no script."""

from __future__ import annotations

import html
import time
from collections.abc import Iterable, Sequence
from pathlib import Path
from urllib.parse import quote

from config.demo.vendors.stand_in import Said, StandIn, Talk

SHEET = (Path(__file__).parent / "page.css").read_text()
NAMES = {"desk": "from the desk", "colleague": "a colleague, here and not at the desk", "customer": ""}


def start(vendors: Iterable[StandIn], *, desk: str) -> str:
    """All talks, the newest first, and one box a vendor to begin another."""
    return _page("Vendors of the demo", desk, "".join(_vendor(vendor) for vendor in vendors))


def talk(vendor: StandIn, shown: Talk, *, desk: str) -> str:
    said = "".join(_said(one) for one in shown.said)
    back = f'<p><a href="/">All talks</a> · {_text(vendor.label)}</p>'
    who = (
        f'<label><input type="radio" name="who" value="customer" checked> {_text(shown.name)}, the customer</label>'
        '<label><input type="radio" name="who" value="colleague"> a colleague, who answers here and not at the desk</label>'
    )
    form = (
        f'<form method="post" action="{_address(vendor, shown)}"><fieldset><legend>Write as</legend>{who}</fieldset>'
        '<label for="text">Message</label><textarea id="text" name="text" rows="3" maxlength="4000" required></textarea>'
        "<button>Send</button></form>"
    )
    return _page(shown.title or shown.id, desk, f'{back}<ol class="said">{said}</ol>{form}')


def wrong(words: str, *, desk: str) -> str:
    return _page(words, desk, '<p><a href="/">All talks</a></p>')


def _vendor(vendor: StandIn) -> str:
    newest = sorted(vendor.talks, key=lambda one: one.said[-1].at if one.said else 0, reverse=True)
    rows = "".join(_row(vendor, one) for one in newest)
    form = (
        f'<form method="post" action="/{vendor.key}/"><h3>{_text(vendor.begins)}</h3>'
        f'<label for="{vendor.key}-name">Name</label><input id="{vendor.key}-name" name="name" maxlength="80" required>'
        f'<label for="{vendor.key}-text">Message</label>'
        f'<textarea id="{vendor.key}-text" name="text" rows="3" maxlength="4000" required></textarea>'
        "<button>Send</button></form>"
    )
    return f"<section><h2>{_text(vendor.label)}</h2><ul>{rows}</ul>{form}</section>"


def _row(vendor: StandIn, one: Talk) -> str:
    last = one.said[-1] if one.said else None
    words = f"{last.name}: {' '.join(last.text.split())[:90]}" if last else ""
    title = _text(one.title or one.id)
    return f'<li><a href="{_address(vendor, one)}">{title}</a> <small>{_text(words)}</small></li>'


def _said(one: Said) -> str:
    at = time.strftime("%H:%M:%S", time.localtime(one.at))
    note = f" <small>{NAMES[one.who]}</small>" if NAMES[one.who] else ""
    return f'<li class="{one.who}"><b>{_text(one.name)}</b>{note} <time>{at}</time><p>{_text(one.text)}</p></li>'


def _address(vendor: StandIn, one: Talk) -> str:
    return f"/{vendor.key}/{quote(one.id, safe='')}/"


def _text(words: str) -> str:
    return html.escape(words)


def _page(title: str, desk: str, inner: str) -> str:
    back: Sequence[str] = [f'<a href="{_text(desk)}">Back to the desk</a>'] if desk else []
    return (
        '<!doctype html><html lang="en"><meta charset="utf-8"><meta name="viewport" content="width=device-width">'
        f"<title>{_text(title)}</title><style>{SHEET}</style><header><h1>{_text(title)}</h1>{''.join(back)}</header>"
        f"<main>{inner}</main></html>"
    )
