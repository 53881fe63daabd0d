import {useRef} from 'preact/hooks';
import {t} from '../i18n';
import {
  conversations,
  current,
  currentId,
  deleteConversation,
  exportAll,
  importFile,
  startConversation,
} from '../state/conversations';
import {generations, stop} from '../state/generation';
import {IconButton} from '../ui/button';
import {Icon} from '../ui/icon';

export function Sidebar({onChosen}: {onChosen: () => void}) {
  const file = useRef<HTMLInputElement>(null);
  const list = [...conversations.value].sort((a, b) => b.updated - a.updated);
  const nothing = list.every((c) => !c.title);
  return (
    <>
      <div class="panel-head">
        <h2>{t().conversations}</h2>
        <IconButton class="panel-close" icon="close" label={t().close} onClick={onChosen} />
      </div>
      <button
        type="button"
        class="new"
        onClick={() => {
          startConversation();
          onChosen();
          document.getElementById('message')?.focus();
        }}
      >
        <Icon name="plus" /> {t().newConversation}
      </button>
      <ul class="conversation-list">
        {list.map((c) => (
          <li key={c.id} class={c.id === current.value.id ? 'chosen' : ''}>
            <button
              type="button"
              class="conversation-name"
              aria-current={c.id === current.value.id ? 'true' : undefined}
              onClick={() => {
                currentId.value = c.id;
                onChosen();
              }}
            >
              {generations.value[c.id] && <span class="dot busy" />}
              {c.title || t().untitled}
            </button>
            {c.title && (
              <IconButton
                icon="trash"
                label={t().deleteConversation(c.title)}
                onClick={() => {
                  stop(c.id);
                  deleteConversation(c.id);
                }}
              />
            )}
          </li>
        ))}
      </ul>
      <div class="sidebar-foot">
        <button type="button" disabled={nothing} onClick={exportAll}>
          <Icon name="download" /> {t().exportAll}
        </button>
        <button type="button" onClick={() => file.current?.click()}>
          <Icon name="upload" /> {t().importFile}
        </button>
        <input
          ref={file}
          type="file"
          accept=".json,application/json"
          class="unseen"
          tabIndex={-1}
          aria-label={t().importFile}
          onChange={(event) => {
            const chosen = event.currentTarget.files?.[0];
            event.currentTarget.value = '';
            if (chosen) void importFile(chosen);
          }}
        />
      </div>
    </>
  );
}
