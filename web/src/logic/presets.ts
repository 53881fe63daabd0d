import {DEFAULTS, type Parameters} from './parameters';

/** The paper's three applications, and its defaults. */
export type PresetName = 'paper' | 'translation' | 'conversation' | 'content';
export const PRESET_NAMES: PresetName[] = ['paper', 'translation', 'conversation', 'content'];

export const LANGUAGES = ['English', 'Russian', 'German', 'French', 'Spanish', 'Italian', 'Portuguese', 'Chinese', 'Japanese'];

const PARAMETERS: Record<PresetName, Partial<Parameters>> = {
  paper: {},
  // One right answer: beams look for the most probable whole, nothing is left to chance.
  translation: {sample: false, num_beams: 4, early_stopping: 'true', max_tokens: 512},
  conversation: {temperature: 0.7, top_p: 0.9, top_k: 50, repetition_penalty: 1.05, max_tokens: 512},
  content: {temperature: 0.95, top_p: 0.95, top_k: 0, typical_p: 0.95, repetition_penalty: 1.1, max_tokens: 1024},
};

export function presetParameters(name: PresetName): Parameters {
  return {...DEFAULTS, ...PARAMETERS[name]};
}

/** English, which models of every size follow best. `language`: of LANGUAGES. */
export function presetSystem(name: PresetName, language: string): string {
  switch (name) {
    case 'translation':
      return `You are a translator. Translate what the user writes into ${language}. Answer with the translation only.`;
    case 'conversation':
      return 'You are a helpful assistant. Answer clearly, and say so when you do not know.';
    case 'content':
      return 'You are a skilled writer. Write what the user asks for, vividly and in well-formed paragraphs.';
    default:
      return '';
  }
}

/** The preset that `p` is, if any. */
export function presetOf(p: Parameters): PresetName | null {
  const same = (a: Parameters, b: Parameters) =>
    (Object.keys(a) as (keyof Parameters)[]).every((key) => key === 'seed' || a[key] === b[key]);
  return PRESET_NAMES.find((name) => same(p, presetParameters(name))) ?? null;
}
