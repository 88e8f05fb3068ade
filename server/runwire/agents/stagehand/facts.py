"""What an element is that Stagehand has chosen, so that the rules of danger can look at it. Floor 4; pure.

The model's own description of it counts for nothing. What cannot be looked at, in a frame of another site or in a
shadow tree, is unknown, and a person is asked.
"""

from __future__ import annotations

import json
from typing import Any

from runwire.contracts.browser import ElementFacts
from runwire.protocol.steps.target import Target

_FACTS = """
selector => {
  const text = value => (value ?? '').replace(/\\s+/g, ' ').trim().slice(0, 200);
  const named = () => {
    const parts = selector.replace(/^xpath=/, '').split(/(?<=\\/iframe\\[\\d+\\])(?=\\/)/);
    let found = null, root = document;
    for (const [index, part] of parts.entries()) {
      if (!root || part.includes('//')) return null;  // to Stagehand that is the way into a shadow tree
      found = root.evaluate(part, root, null, 9, null).singleNodeValue;
      root = found?.contentDocument;
    }
    const at = found?.nodeType === 1 ? found : found?.parentElement;
    return at?.closest('a, button, input, select, textarea, summary, label, [role]') ?? at;
  };
  const focused = () => {
    let at = document.activeElement;
    while (at?.contentDocument || at?.shadowRoot?.activeElement)
      at = (at.contentDocument ?? at.shadowRoot).activeElement;
    // Of anything else the focus may lie in a frame or a shadow tree that cannot be looked into.
    return at?.matches('a[href], button, input, select, textarea, summary, [role]') ? at : null;
  };
  const e = selector === null ? focused() : named();
  if (!e || e.tagName === 'IFRAME') return null;
  const tag = e.tagName.toLowerCase(), type = (e.type ?? '').toLowerCase();
  const buttons = ['submit', 'button', 'reset', 'image'];
  const kinds = {
    a: 'link', button: 'button', summary: 'button', select: 'combobox', textarea: 'textbox', option: 'option',
  };
  const field = ['checkbox', 'radio'].includes(type) ? type : buttons.includes(type) ? 'button' : 'textbox';
  const form = e.form ?? e.closest('form'), link = e.closest('a[href]');
  const button = form?.querySelector('button:not([type]), button[type=submit], input[type=submit], input[type=image]');
  const shown = text(e.innerText) || (buttons.includes(type) ? text(e.value) : '');
  return {
    role: e.getAttribute('role') || (tag === 'input' ? field : kinds[tag] ?? ''),
    name: text(e.getAttribute('aria-label') || e.labels?.[0]?.innerText || shown || e.placeholder || e.title || e.name),
    href: link ? link.href : null, action: form ? form.action : null, file: type === 'file',
    submits: !!form && (tag === 'button' ? !['button', 'reset'].includes(type)
      : tag === 'input' && ['submit', 'image'].includes(type)),
    button: button ? text(button.innerText || button.value) : null,
  };
}
"""


def question(selector: str | None) -> str:
    """Return the script that tells the facts of the element at Stagehand's selector; None: of what has the focus. It
    fails if the page is made to mislead it, or the selector is none.
    """
    return f"({_FACTS})({json.dumps(selector)})"


def facts_of(told: Any) -> ElementFacts | None:
    """Return what the script has told; None if the element is unknown."""
    if not isinstance(told, dict):
        return None
    texts = {name: told.get(name) for name in ("role", "name", "href", "action", "button")}
    if not all(value is None or isinstance(value, str) for value in texts.values()):
        return None
    name = texts["name"] or ""
    return ElementFacts(
        target=Target(name),
        role=texts["role"] or "",
        name=name,
        href=texts["href"],
        form_action=texts["action"],
        submit_label=texts["button"],
        submits=told.get("submits") is True,
        file_field=told.get("file") is True,
    )
