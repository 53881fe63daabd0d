import {effect, signal} from '@preact/signals';
import {readParameters, type Parameters, type PromptFormat} from '../logic/parameters';

export type Theme = 'system' | 'light' | 'dark';

/** What the browser remembers beside the conversations. */
export interface Settings {
  language: 'en' | 'ru';
  theme: Theme;
  parameters: Parameters;
  format: PromptFormat;
  /** The system prompt of new conversations. */
  system: string;
  /** Of the translation preset. */
  target: string;
  /** "" is the server's first. */
  model: string;
}

const KEY = 'nibble.settings';

function oneOf<T extends string>(value: unknown, allowed: readonly T[], otherwise: T): T {
  return allowed.includes(value as T) ? (value as T) : otherwise;
}

function read(): Settings {
  let raw: Record<string, unknown> = {};
  try {
    raw = (JSON.parse(localStorage.getItem(KEY) ?? '{}') ?? {}) as Record<string, unknown>;
  } catch {
    // Nothing that can be read is as good as nothing.
  }
  const text = (value: unknown, otherwise = '') => (typeof value === 'string' ? value : otherwise);
  return {
    language: oneOf(raw.language, ['en', 'ru'], navigator.language.startsWith('ru') ? 'ru' : 'en'),
    theme: oneOf(raw.theme, ['system', 'light', 'dark'], 'system'),
    parameters: readParameters(raw.parameters),
    format: oneOf(raw.format, ['own', 'alpaca', 'chatml', 'llama2'], 'own'),
    system: text(raw.system),
    target: text(raw.target, 'English'),
    model: text(raw.model),
  };
}

export const settings = signal<Settings>(read());

export function set(changes: Partial<Settings>): void {
  settings.value = {...settings.value, ...changes};
}

export function setParameters(changes: Partial<Parameters>): void {
  set({parameters: {...settings.value.parameters, ...changes}});
}

effect(() => {
  try {
    localStorage.setItem(KEY, JSON.stringify(settings.value));
  } catch {
    // Private windows may refuse; the page works without.
  }
  document.documentElement.dataset.theme = settings.value.theme;
});
