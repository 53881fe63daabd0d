import DOMPurify from 'dompurify';
import {Marked, type Token, type TokensList} from 'marked';

const escape = (text: string) =>
  text.replace(/&/g, '&amp;').replace(/</g, '&lt;').replace(/>/g, '&gt;').replace(/"/g, '&quot;');

/** Words on the button that a block of code carries. */
let copyLabel = 'Copy';
export function setCopyLabel(label: string): void {
  copyLabel = label;
}

const marked = new Marked({
  gfm: true,
  breaks: true,
  renderer: {
    // Tags in an answer are text that the model wrote, not markup of the page.
    html: ({text}) => escape(text),
    // An image would be fetched from elsewhere; its description stays.
    image: ({text, href}) => `<a href="${escape(href)}">${escape(text || href)}</a>`,
    checkbox: ({checked}) => (checked ? '☑ ' : '☐ '),
    code: ({text, lang}) => {
      const language = (lang ?? '').split(/\s/, 1)[0];
      return (
        `<figure class="code"><figcaption><span>${escape(language)}</span>` +
        `<button type="button" class="copy-code">${escape(copyLabel)}</button></figcaption>` +
        `<pre tabindex="0"><code>${escape(text)}</code></pre></figure>`
      );
    },
    table(token) {
      const cells = (row: typeof token.header, tag: string) =>
        row
          .map((cell) => {
            const align = cell.align ? ` align="${cell.align}"` : '';
            return `<${tag}${align}>${this.parser.parseInline(cell.tokens)}</${tag}>`;
          })
          .join('');
      const rows = token.rows.map((row) => `<tr>${cells(row, 'td')}</tr>`).join('');
      return (
        `<div class="table" tabindex="0"><table><thead><tr>${cells(token.header, 'th')}</tr></thead>` +
        `<tbody>${rows}</tbody></table></div>`
      );
    },
  },
});

const ALLOWED_TAGS = (
  'a b blockquote br button code del div em figcaption figure h1 h2 h3 h4 h5 h6 hr i li ol p pre s span strong sub ' +
  'sup table tbody td th thead tr ul'
).split(' ');
const ALLOWED_ATTR = ['href', 'title', 'class', 'type', 'tabindex', 'align', 'start', 'target', 'rel'];

let hooked = false;
function sanitize(html: string): string {
  if (!hooked) {
    hooked = true;
    DOMPurify.addHook('afterSanitizeAttributes', (node) => {
      if (node.tagName !== 'A') return;
      node.setAttribute('target', '_blank');
      node.setAttribute('rel', 'noopener noreferrer nofollow');
    });
  }
  return DOMPurify.sanitize(html, {
    ALLOWED_TAGS,
    ALLOWED_ATTR,
    // Attributes that hold no address are not to be read as one.
    ADD_URI_SAFE_ATTR: ['type', 'tabindex', 'align', 'start', 'target', 'rel'],
    ALLOW_DATA_ATTR: false,
    ALLOWED_URI_REGEXP: /^(?:https?|mailto):/i,
  });
}

/** Safe HTML for each block (paragraph, list, code …) of a Markdown text. While a text grows, blocks before
 *  the last stay the same string, so that only the last is drawn anew. */
export function renderBlocks(markdown: string): string[] {
  const tokens = marked.lexer(markdown);
  return tokens
    .filter((token) => token.type !== 'space')
    .map((token) => sanitize(marked.parser(Object.assign([token] as Token[], {links: tokens.links}) as TokensList)));
}
