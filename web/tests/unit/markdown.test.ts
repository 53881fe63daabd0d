// @vitest-environment jsdom
import {describe, expect, it} from 'vitest';
import {renderBlocks} from '../../src/logic/markdown';

const html = (text: string) => renderBlocks(text).join('');
const dom = (text: string) => {
  const div = document.createElement('div');
  div.innerHTML = html(text);
  return div;
};

describe('renderBlocks', () => {
  it('draws emphasis, lists, tables and links', () => {
    expect(dom('**a** _b_').querySelector('strong')?.textContent).toBe('a');
    expect(dom('- x\n- y').querySelectorAll('li')).toHaveLength(2);
    expect(dom('| a | b |\n| --- | ---: |\n| 1 | **2** |').querySelector('td strong')?.textContent).toBe('2');
    expect(dom('| a |\n| ---: |\n| 1 |').querySelector('td')?.getAttribute('align')).toBe('right');
    const link = dom('[t](https://example.org/ "x")').querySelector('a')!;
    expect(link.getAttribute('rel')).toContain('noopener');
    expect(link.getAttribute('target')).toBe('_blank');
  });

  it('gives code a language and a button, and leaves its text alone', () => {
    const div = dom('```cpp\nif (a < b && c) {}\n```');
    expect(div.querySelector('code')?.textContent).toBe('if (a < b && c) {}');
    expect(div.querySelector('figcaption span')?.textContent).toBe('cpp');
    expect(div.querySelector('button.copy-code')).not.toBeNull();
    expect(div.querySelector('pre')?.getAttribute('tabindex')).toBe('0');
  });

  it('draws a block of code that has not ended yet', () => {
    expect(dom('```\nhalf').querySelector('code')?.textContent).toBe('half');
  });

  it.each([
    '<script>alert(1)</script>',
    '<img src=x onerror=alert(1)>',
    '<svg onload=alert(1)><a xlink:href="javascript:alert(1)">x</a></svg>',
    '[x](javascript:alert(1))',
    '[x](data:text/html,<script>alert(1)</script>)',
    '![x](https://example.org/pixel.png)',
    '<iframe src="https://example.org"></iframe>',
    '<form action="https://example.org"><input name=a></form>',
    '<style>body{display:none}</style>',
    '```"><img src=x onerror=alert(1)>\nx\n```',
    '[x](https://a.b/"onmouseover="alert(1))',
    '<math><mtext><table><mglyph><style><img src=x onerror=alert(1)>',
  ])('makes nothing dangerous of %s', (text) => {
    const div = dom(text);
    expect(div.querySelectorAll('script, img, svg, iframe, form, input, style, math, object, embed')).toHaveLength(0);
    for (const element of div.querySelectorAll('*')) {
      for (const {name, value} of element.attributes) {
        expect(name.startsWith('on'), `${name}=${value}`).toBe(false);
        if (name === 'href') expect(value).toMatch(/^(https?|mailto):/);
      }
    }
  });

  it('shows tags as the text they are', () => {
    expect(dom('use <b>bold</b>').textContent).toContain('<b>bold</b>');
    expect(dom('<div>block</div>').textContent).toContain('<div>block</div>');
  });

  it('keeps finished blocks the same while the text grows', () => {
    const first = renderBlocks('one\n\ntwo');
    const later = renderBlocks('one\n\ntwo and more\n\n- three');
    expect(later[0]).toBe(first[0]);
    expect(later).toHaveLength(3);
  });

  it('resolves links that are defined elsewhere', () => {
    expect(dom('see [it][1]\n\n[1]: https://example.org/').querySelector('a')?.getAttribute('href')).toBe('https://example.org/');
  });
});
