import {signal} from '@preact/signals';
import {ChatView} from './chat/chat_view';
import {CompareView} from './compare/compare_view';
import {t} from './i18n';
import {ModelsView} from './models/models_view';
import {model, loadedModels, reachable} from './state/server';
import {set, settings, type Theme} from './state/settings';
import {Icon} from './ui/icon';
import {KeyDialog} from './ui/key_dialog';
import {Notices} from './ui/notices';
import {StatusLine} from './ui/status_line';

const VIEWS = ['chat', 'compare', 'models'] as const;
type View = (typeof VIEWS)[number];

const viewOf = (hash: string): View => VIEWS.find((view) => hash === `#${view}`) ?? 'chat';
const view = signal<View>(viewOf(location.hash));
addEventListener('hashchange', () => (view.value = viewOf(location.hash)));

function Navigation() {
  return (
    <nav aria-label={t().views}>
      {VIEWS.map((name) => (
        <a key={name} href={`#${name}`} aria-current={view.value === name ? 'page' : undefined}>
          {t()[name]}
        </a>
      ))}
    </nav>
  );
}

function ModelChoice() {
  const loaded = loadedModels.value;
  if (loaded.length === 0) return null;
  return (
    <label class="model-choice">
      <span class="unseen">{t().model}</span>
      <select value={model.value?.id} onChange={(event) => set({model: event.currentTarget.value})}>
        {loaded.map((one) => (
          <option key={one.id} value={one.id}>
            {one.id}
          </option>
        ))}
      </select>
    </label>
  );
}

function Appearance() {
  const themes: [Theme, string][] = [
    ['system', t().themeSystem],
    ['light', t().themeLight],
    ['dark', t().themeDark],
  ];
  const icons = {system: 'auto', light: 'sun', dark: 'moon'} as const;
  const at = themes.findIndex(([name]) => name === settings.value.theme);
  const label = `${t().theme}: ${themes[at][1]}`;
  return (
    <div class="appearance">
      <label>
        <span class="unseen">{t().language}</span>
        <select
          value={settings.value.language}
          onChange={(event) => set({language: event.currentTarget.value as 'en' | 'ru'})}
        >
          <option value="en" lang="en">
            English
          </option>
          <option value="ru" lang="ru">
            Русский
          </option>
        </select>
      </label>
      <button
        type="button"
        class="icon-button"
        aria-label={label}
        title={label}
        onClick={() => set({theme: themes[(at + 1) % themes.length][0]})}
      >
        <Icon name={icons[settings.value.theme]} />
      </button>
    </div>
  );
}

export function App() {
  return (
    <>
      <a class="skip" href="#content" onClick={skip}>
        {t().skip}
      </a>
      <header class="top">
        <a class="brand" href="#chat">
          <img src="/icon.svg" alt="" width="24" height="24" />
          nibble
        </a>
        <Navigation />
        <ModelChoice />
        <StatusLine />
        <Appearance />
      </header>
      {!reachable.value && (
        <p class="banner" role="alert">
          <Icon name="warning" /> {t().unreachable}
        </p>
      )}
      {view.value === 'chat' && <ChatView />}
      {view.value === 'compare' && <CompareView />}
      {view.value === 'models' && <ModelsView />}
      <Notices />
      <KeyDialog />
    </>
  );
}

/** The address stays the view's. */
function skip(event: Event) {
  event.preventDefault();
  document.getElementById('content')?.focus();
}
