import {signal} from '@preact/signals';
import {useLayoutEffect, useRef} from 'preact/hooks';
import {t} from '../i18n';
import {clearCurrent} from '../state/conversations';
import {StopButton} from './stop_button';

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

/** Enter executes; with Shift, or while letters are being composed, it does not. Nor does it held down: pressed on
 *  "Stop" it would go on in the field that takes the focus over. */
export const isExecute = (event: KeyboardEvent): boolean =>
  event.key === 'Enter' && !event.shiftKey && !event.isComposing && !event.repeat;

/** What was not sent yet; it stays when another view is looked at. */
const draft = signal('');

export function focusComposer(): void {
  document.getElementById('message')?.focus();
}

interface Props {
  busy: boolean;
  /** False when nothing was sent: the text stays then. */
  onSay: (text: string) => boolean;
  onStop: () => void;
}

export function Composer({busy, onSay, onStop}: Props) {
  const text = draft.value;
  const area = useGrowing(text);
  const execute = () => {
    if (onSay(text)) draft.value = '';
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
        onInput={(event) => (draft.value = event.currentTarget.value)}
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
          <StopButton key="stop" onStop={onStop} next={area} />
        ) : (
          <button key="execute" type="submit" class="primary" disabled={!text.trim()}>
            {t().execute}
          </button>
        )}
      </div>
    </form>
  );
}
