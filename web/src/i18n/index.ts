import {computed, effect} from '@preact/signals';
import {setCopyLabel} from '../logic/markdown';
import {settings} from '../state/settings';
import {en, type Texts} from './en';
import {ru} from './ru';

export const locale = computed(() => settings.value.language);
const texts = computed<Texts>(() => (locale.value === 'ru' ? ru : en));

/** The texts of the chosen language; components that read them are drawn anew when it changes. */
export const t = (): Texts => texts.value;

effect(() => {
  document.documentElement.lang = locale.value;
  setCopyLabel(texts.value.copy);
});
