"""Form fields for a typed JSON column: people fill in fields, the column keeps the validated JSON."""

from __future__ import annotations

from typing import Any, Literal, get_args, get_origin

from django import forms
from pydantic import ValidationError as SchemaError

from conversations.metadata import explain
from conversations.shapes import Shape


def form_field(annotation: Any, default: Any) -> forms.Field:
    options = [option for option in get_args(annotation) if option is not type(None)]
    if get_origin(annotation) is Literal:
        return forms.ChoiceField(choices=[(value, value) for value in get_args(annotation)], initial=default)
    base = options[0] if options else annotation
    if base is bool:
        return forms.BooleanField(required=False, initial=default)
    if base is int:
        return forms.IntegerField(required=False, initial=default)
    if base is float:
        return forms.FloatField(required=False, initial=default)
    return forms.CharField(required=False, initial=default, widget=forms.TextInput(attrs={"class": "vTextField"}))


class ShapeForm(forms.ModelForm):
    """`shape` describes the column `column`; each of its fields becomes a form field of the same name."""

    shape: type[Shape]
    column: str

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        values = getattr(self.instance, self.column) or {}
        for name, field in self.shape.model_fields.items():
            self.fields[name].initial = values.get(name, field.default)

    def clean(self) -> dict[str, Any]:
        cleaned = super().clean() or self.cleaned_data
        given = {name: cleaned.get(name) for name in self.shape.model_fields if cleaned.get(name) not in (None, "")}
        try:
            self.instance.__dict__[self.column] = self.shape.model_validate(given).model_dump(exclude_defaults=True)
        except SchemaError as error:
            for item in error.errors():
                name = str(item["loc"][0])
                self.add_error(name if name in self.fields else None, explain(item))
        return cleaned


def shape_form(model: type[Any], shape: type[Shape], column: str, fields: list[str], **extra: Any) -> type[ShapeForm]:
    """A ModelForm over `fields` of the model plus the fields of the JSON column."""
    declared = {name: form_field(field.annotation, field.default) for name, field in shape.model_fields.items()}
    meta = type("Meta", (), {"model": model, "fields": fields})
    return type(
        f"{model.__name__}Form", (ShapeForm,), {**declared, **extra, "Meta": meta, "shape": shape, "column": column}
    )
