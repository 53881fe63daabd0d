import type {RefObject} from 'preact';
import {useLayoutEffect, useRef} from 'preact/hooks';
import {t} from '../i18n';

interface Props {
  onStop: () => void;
  /** Takes the focus over when the button goes while it has it. */
  next: RefObject<HTMLElement>;
}

/** Stands where "Execute" stands, but must be a node of its own (a `key`): one that became a submit button between
 *  a click and what the browser does about it would send the form. */
export function StopButton({onStop, next}: Props) {
  const button = useRef<HTMLButtonElement>(null);
  useLayoutEffect(
    () => () => {
      if (document.activeElement === button.current) next.current?.focus();
    },
    [],
  );
  return (
    <button ref={button} type="button" class="primary stop" onClick={onStop}>
      {t().stop}
    </button>
  );
}
