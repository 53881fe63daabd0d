import {useEffect, useRef, useState} from 'preact/hooks';
import {giveKey, keyWanted} from '../api/client';
import {t} from '../i18n';

/** Asks for the API key when the server wants one. */
export function KeyDialog() {
  const dialog = useRef<HTMLDialogElement>(null);
  const [key, setKey] = useState('');
  const wanted = keyWanted.value;
  useEffect(() => {
    if (wanted !== 'no') dialog.current!.showModal();
    else dialog.current!.close();
  }, [wanted]);
  // Without a key the page can do nothing. Browsers let a second Escape close a dialog whatever `cancel` says.
  const reopen = () => {
    if (keyWanted.value !== 'no' && !dialog.current!.open) dialog.current!.showModal();
  };
  return (
    <dialog ref={dialog} aria-labelledby="key-title" onCancel={(event) => event.preventDefault()} onClose={reopen}>
      <form
        onSubmit={(event) => {
          event.preventDefault();
          if (key.trim()) giveKey(key);
          setKey('');
        }}
      >
        <h2 id="key-title">{t().keyTitle}</h2>
        <p>{t().keyText}</p>
        {wanted === 'wrong' && (
          <p class="problem error" role="alert">
            {t().keyWrong}
          </p>
        )}
        <label for="key">{t().keyLabel}</label>
        <input
          id="key"
          type="password"
          autocomplete="off"
          value={key}
          onInput={(event) => setKey(event.currentTarget.value)}
        />
        <button type="submit" class="primary">
          {t().keyGive}
        </button>
      </form>
    </dialog>
  );
}
