"""Form fields for a typed JSON column: people fill in fields, the column keeps the validated JSON.

A field's `title` is its label, its `description` the help. In `json_schema_extra` may stand "unit" (words behind the box),
"width" (of its place in a section), "lines" (of a text of several) and "choices" (value -> words).
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any, Literal, get_args, get_origin

from django import forms
from pydantic import ValidationError as SchemaError
from pydantic.fields import FieldInfo

from conversations.channels.provider import Section
from conversations.metadata import explain
from conversations.shapes import Shape

#: Words of the schema's library that say less to an admin than these.
PLAIN = {
    "greater_than_equal": "Give at least {ge}.",
    "less_than_equal": "Give at most {le}.",
    "less_than": "Give less than {lt}.",
    "string_too_long": "Write at most {max_length} characters.",
    "value_error": "{error}",
}


def form_field(name: str, info: FieldInfo) -> forms.Field:
    words: dict[str, Any] = {
        "label": info.title or name.replace("_", " ").capitalize(),
        "help_text": info.description or "",
        "initial": info.default,
    }
    annotation = info.annotation
    options = [option for option in get_args(annotation) if option is not type(None)]
    if get_origin(annotation) is Literal:
        said = _extra(info).get("choices") or {}
        values = [*said, *(value for value in get_args(annotation) if str(value) not in said)]
        of_numbers = all(isinstance(value, int) for value in get_args(annotation))
        return forms.TypedChoiceField(
            choices=[(value, said.get(value, value)) for value in values],
            coerce=int if of_numbers else str,
            required=info.is_required(),  # what a page of before the upgrade did not ask is as it is by itself
            empty_value=None,
            **words,
        )
    base = options[0] if options else annotation
    if base is bool:
        return forms.BooleanField(required=False, **words)
    if base is int:
        return forms.IntegerField(required=False, **words)
    if base is float:
        return forms.FloatField(required=False, **words)
    if lines := _extra(info).get("lines"):
        words["widget"] = forms.Textarea(attrs={"rows": lines, "class": "textarea"})
    return forms.CharField(required=False, **words)


def _extra(info: FieldInfo) -> Mapping[str, Any]:
    return info.json_schema_extra if isinstance(info.json_schema_extra, Mapping) else {}


class ShapeForm(forms.ModelForm):
    """`shape` describes the column `column`; each of its fields becomes a form field of the same name."""

    shape: type[Shape]
    column: str

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        values = getattr(self.instance, self.column) or {}
        for name, info in self.shape.model_fields.items():
            if name in self.fields:
                self.initial.setdefault(name, values.get(name, info.default))
        for field in self.fields.values():
            if not isinstance(field.widget, forms.CheckboxInput):
                field.widget.attrs.setdefault("class", "input")

    def clean(self) -> dict[str, Any]:
        cleaned = super().clean() or self.cleaned_data
        kept = {name: value for name, value in (getattr(self.instance, self.column) or {}).items() if name in self.shape.model_fields and name not in self.fields}  # fmt: skip
        given = {name: cleaned.get(name) for name in self.shape.model_fields if cleaned.get(name) not in (None, "")}
        try:
            shape = self.shape.model_validate({**kept, **given})
            self.instance.__dict__[self.column] = shape.model_dump(exclude_defaults=True)
        except SchemaError as error:
            for item in error.errors():
                name = str(item["loc"][0])
                plain = PLAIN.get(item["type"])
                words = plain.format(**item.get("ctx", {})) if plain else explain(item)
                self.add_error(name if name in self.fields else None, words)
        return cleaned


def shape_form(model: type[Any], shape: type[Shape], column: str, fields: list[str], **extra: Any) -> type[ShapeForm]:
    """A ModelForm over `fields` of the model plus the fields of the JSON column; `extra` replaces or adds, None leaves out."""
    declared = {name: form_field(name, info) for name, info in shape.model_fields.items()}
    declared = {name: field for name, field in {**declared, **extra}.items() if field is not None}
    meta = type("Meta", (), {"model": model, "fields": fields})
    return type(f"{model.__name__}Form", (ShapeForm,), {**declared, "Meta": meta, "shape": shape, "column": column})


@dataclass(frozen=True, slots=True)
class Box:
    """One field as a section shows it."""

    field: forms.BoundField
    unit: str
    width: str
    is_check: bool


@dataclass(frozen=True, slots=True)
class Part:
    """A section with its fields bound."""

    section: Section
    boxes: list[Box]


def parts_of(form: ShapeForm, sections: Iterable[Section], *, rest: Section | None = None) -> list[Part]:
    """The form's fields in sections. What no section names stands in `rest`, so that no setting is out of sight."""
    sections = list(sections)
    named = {name for section in sections for name in section.fields}
    left = tuple(name for name in form.fields if name not in named and not form[name].is_hidden)
    if rest is not None and left:
        at = 1 if sections else 0
        sections.insert(at, Section(rest.key, rest.title, rest.text, (*rest.fields, *left)))
    found = []
    for section in sections:
        boxes = [_box(form, name) for name in section.fields if name in form.fields]
        if boxes:
            found.append(Part(section, boxes))
    return found


def _box(form: ShapeForm, name: str) -> Box:
    info = form.shape.model_fields.get(name)
    extra = _extra(info) if info else {"unit": "days"} if name.endswith("_days") else {}
    is_check = isinstance(form.fields[name].widget, forms.CheckboxInput)
    return Box(form[name], str(extra.get("unit", "")), str(extra.get("width", "full" if is_check else "")), is_check)
