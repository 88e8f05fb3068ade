/**
 * Markdown to safe nodes; a chunk of its own, loaded when the first message is shown.
 *
 * What an agent writes is hostile. HTML in it is shown as text; the parser's output goes through a sanitiser that knows few
 * elements and three attributes; links are http, https or mailto; pictures are never loaded, only named. Tests: the hostile
 * corpus of tests/e2e/web_page/test_hostile_output.py.
 */

import DOMPurify from "dompurify";
import { Marked } from "marked";

const ALLOWED_TAGS = [
  "p", "br", "strong", "em", "del", "code", "pre", "blockquote", "ul", "ol", "li", "h1", "h2", "h3", "h4", "h5", "h6", "hr",
  "table", "thead", "tbody", "tr", "th", "td", "a",
];
const ALLOWED_ATTR = ["href", "start", "align"];
const ALLOWED_LINK = /^(?:https?:\/\/|mailto:)/i;

function escape(text: string): string {
  return text.replace(/[&<>"']/g, (character) => `&#${character.charCodeAt(0)};`);
}

const marked = new Marked({
  async: false,
  gfm: true,
  breaks: true, // agents print lines; a report of ten lines is not one paragraph
  renderer: {
    html: ({ text }) => escape(text),
    image: ({ text, href }) => escape(`[picture: ${text || href}]`),
    checkbox: ({ checked }) => (checked ? "☑ " : "☐ "),
    code: ({ text }) => `<pre><code>${escape(text)}</code></pre>`,
  },
});

const purifier = DOMPurify(window);
purifier.addHook("afterSanitizeAttributes", (node) => {
  if (node.tagName !== "A") return;
  if (!ALLOWED_LINK.test(node.getAttribute("href") ?? "")) node.removeAttribute("href");
  node.setAttribute("rel", "noopener noreferrer nofollow ugc");
  node.setAttribute("target", "_blank");
});

/** Return `source` as nodes that are safe to be shown. */
export function render(source: string): DocumentFragment {
  const html = marked.parse(source) as string;
  return purifier.sanitize(html, {
    ALLOWED_TAGS, ALLOWED_ATTR, ALLOWED_URI_REGEXP: ALLOWED_LINK, ALLOW_DATA_ATTR: false, ALLOW_ARIA_ATTR: false,
    ADD_URI_SAFE_ATTR: ["start", "align"],
    RETURN_DOM_FRAGMENT: true,
  });
}
