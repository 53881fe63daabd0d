import {memo} from './memo';
import {useMemo} from 'preact/hooks';
import {t} from '../i18n';
import {renderBlocks} from '../logic/markdown';
import {copyText} from './button';

const Block = memo(({html}: {html: string}) => <div class="block" dangerouslySetInnerHTML={{__html: html}} />);

/** One handler for the copy buttons of all blocks of code. */
function onClick(event: MouseEvent) {
  const button = (event.target as Element).closest<HTMLButtonElement>('button.copy-code');
  const code = button?.closest('figure')?.querySelector('code');
  if (!button || !code) return;
  void copyText(code.textContent ?? '');
  button.textContent = t().copied;
  setTimeout(() => (button.textContent = t().copy), 1500);
}

export function Markdown({text}: {text: string}) {
  const language = t();
  const blocks = useMemo(() => renderBlocks(text), [text, language]);
  return (
    <div class="markdown" onClick={onClick}>
      {blocks.map((html, i) => (
        <Block key={i} html={html} />
      ))}
    </div>
  );
}
