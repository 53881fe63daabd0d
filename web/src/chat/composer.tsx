import {useLayoutEffect, useRef, useState} from 'preact/hooks';
import {t} from '../i18n';
import {clearCurrent} from '../state/conversations';

const TALLEST = 240;

/** Grows with its text. */
export function useGrowing(text: string) {
  const area = useRef<HTMLTextAreaElement>(null);
  useLayoutEffect(() => {
    const a = area.current!;
    a.style.height = 'auto';
    a.style.height = `${Math.min(a.scrollHeight + 2, TALLEST)}px`;
  }, [text]);
  return area;
}

/** Enter executes; with Shift, or while letters are being composed, it does not. */
export const isExecute = (event: KeyboardEvent): boolean =>
  event.key === 'Enter' && !event.shiftKey && !event.isComposing;

interface Props {
  busy: boolean;
  /** False when nothing was sent: the text stays then. */
  onSay: (text: string) => boolean;
  onStop: () => void;
}

export function Composer({busy, onSay, onStop}: Props) {
  const [text, setText] = useState('');
  const area = useGrowing(text);
  const execute = () => {
    if (onSay(text)) setText('');
    area.current?.focus();
  };
  return (
    <form
      class="composer"
      onSubmit={(event) => {
        event.preventDefault();
        execute();
      }}
    >
      <label for="message" class="unseen">
        {t().message}
      </label>
      <textarea
        id="message"
        ref={area}
        rows={1}
        value={text}
        placeholder={t().message}
        aria-describedby="message-hint"
        onInput={(event) => setText(event.currentTarget.value)}
        onKeyDown={(event) => {
          if (!isExecute(event)) return;
          event.preventDefault();
          if (!busy) execute();
        }}
      />
      <div class="composer-row">
        <span id="message-hint" class="hint">
          {t().messageHint}
        </span>
        <button
          type="button"
          disabled={busy}
          onClick={() => {
            clearCurrent();
            area.current?.focus();
          }}
        >
          {t().clear}
        </button>
        {busy ? (
          <button type="button" class="primary stop" onClick={onStop}>
            {t().stop}
          </button>
        ) : (
          <button type="submit" class="primary" disabled={!text.trim()}>
            {t().execute}
          </button>
        )}
      </div>
    </form>
  );
}
