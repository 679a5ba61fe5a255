"""`{% icon "check" %}`, `{% icon row.icon "icon--s" %}`: one of the sprite's pictures, for the eyes only. A builtin of every template."""

from __future__ import annotations

from django import template
from django.template.base import FilterExpression, Node, NodeList, Parser, TextNode, Token, VariableNode

register = template.Library()


@register.tag
def icon(parser: Parser, token: Token) -> Node:
    """The name is a word in quotes, which costs a page nothing, or a variable; then further classes, in quotes."""
    _, name, *classes = token.split_contents()
    words = " ".join(["icon", *(each.strip("'\"") for each in classes)])
    before = f'<svg class="{words}" aria-hidden="true"><use href="#i-'
    found: FilterExpression = parser.compile_filter(name)
    if name[0] in "'\"":
        return TextNode(f'{before}{found.resolve(template.Context())}"/></svg>')
    return _Pieces(NodeList([TextNode(before), VariableNode(found), TextNode('"/></svg>')]))


class _Pieces(Node):
    def __init__(self, nodelist: NodeList) -> None:
        self.nodelist = nodelist

    def render(self, context: template.Context) -> str:
        return str(self.nodelist.render(context))
