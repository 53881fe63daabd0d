import {signal} from '@preact/signals';
import {useEffect, useLayoutEffect, useRef} from 'preact/hooks';
import {t} from '../i18n';
import {PRESET_NAMES} from '../logic/presets';
import {path} from '../logic/tree';
import {ParametersPanel, applyPreset} from '../parameters/parameters_panel';
import {current} from '../state/conversations';
import {generations, say, stop} from '../state/generation';
import {Icon, type IconName} from '../ui/icon';
import {Composer} from './composer';
import {MessageItem} from './message_item';
import {Sidebar} from './sidebar';

/** The panel that covers the conversation where there is no room beside it. */
type Panel = 'none' | 'conversations' | 'parameters';
const panel = signal<Panel>('none');

function PanelButton({name, icon, label}: {name: Panel; icon: IconName; label: string}) {
  const open = panel.value === name;
  return (
    <button
      type="button"
      class={`panel-button ${name}`}
      aria-expanded={open}
      aria-controls={`panel-${name}`}
      onClick={() => (panel.value = open ? 'none' : name)}
    >
      <Icon name={icon} /> {label}
    </button>
  );
}

function Empty() {
  return (
    <div class="empty">
      <h2>{t().emptyTitle}</h2>
      <p>{t().emptyText}</p>
      <div class="starters">
        {PRESET_NAMES.filter((name) => name !== 'paper').map((name) => (
          <button
            key={name}
            type="button"
            onClick={() => {
              applyPreset(name);
              document.getElementById('message')?.focus();
            }}
          >
            <b>{t().preset[name]}</b>
            <span>{t().presetHint[name]}</span>
          </button>
        ))}
      </div>
    </div>
  );
}

/** Stays at the end while text comes, unless the reader has gone up. */
function useFollow(what: unknown) {
  const box = useRef<HTMLDivElement>(null);
  const atEnd = useRef(true);
  useLayoutEffect(() => {
    if (box.current && atEnd.current) box.current.scrollTop = box.current.scrollHeight;
  }, [what]);
  const onScroll = () => {
    const b = box.current!;
    atEnd.current = b.scrollHeight - b.scrollTop - b.clientHeight < 60;
  };
  return {box, onScroll};
}

export function ChatView() {
  const conversation = current.value;
  const nodes = path(conversation);
  const busy = generations.value[conversation.id];
  const {box, onScroll} = useFollow(nodes);
  useEffect(() => {
    const onKey = (event: KeyboardEvent) => {
      if (event.key !== 'Escape' || event.defaultPrevented) return;
      if (panel.value !== 'none') {
        const name = panel.value;
        panel.value = 'none';
        document.querySelector<HTMLElement>(`.panel-button.${name}`)?.focus();
      } else {
        stop(current.value.id);
      }
    };
    addEventListener('keydown', onKey);
    return () => removeEventListener('keydown', onKey);
  }, []);
  return (
    <div class="chat-view" data-panel={panel.value}>
      <aside id="panel-conversations" class="conversations" aria-label={t().conversations}>
        <Sidebar onChosen={() => (panel.value = 'none')} />
      </aside>
      <main id="content" tabIndex={-1}>
        <div class="panel-buttons">
          <PanelButton name="conversations" icon="list" label={t().showConversations} />
          <PanelButton name="parameters" icon="sliders" label={t().showParameters} />
        </div>
        <h1 class="unseen">{conversation.title || t().untitled}</h1>
        <div class="scroll" ref={box} onScroll={onScroll} tabIndex={0} role="region" aria-label={t().conversation}>
          {nodes.length === 0 && <Empty />}
          <ol class="messages">
            {nodes.map((node) => (
              <MessageItem
                key={node.id}
                conversation={conversation}
                node={node}
                live={busy?.node === node.id ? busy.answer : null}
              />
            ))}
          </ol>
        </div>
        <Composer
          busy={busy !== undefined}
          onSay={(text) => say(nodes.at(-1)?.id ?? '', text)}
          onStop={() => stop(conversation.id)}
        />
      </main>
      <aside id="panel-parameters" class="parameters" aria-label={t().parameters}>
        <ParametersPanel onClose={() => (panel.value = 'none')} />
      </aside>
    </div>
  );
}
