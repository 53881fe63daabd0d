import {describe, expect, it} from 'vitest';
import {en} from '../../src/i18n/en';
import {ru} from '../../src/i18n/ru';
import {
  DEFAULTS,
  DEFINITIONS,
  check,
  hasErrors,
  readParameters,
  requestFields,
  sliderLeast,
  type Parameters,
} from '../../src/logic/parameters';
import {PRESET_NAMES, presetOf, presetParameters, presetSystem} from '../../src/logic/presets';

const problems = (changes: Partial<Parameters>, context: number | null = null) =>
  check({...DEFAULTS, ...changes}, context).map((p) => `${p.key}:${p.code}`);

describe("the paper's defaults", () => {
  it('are those of its appendix', () => {
    expect(DEFAULTS).toMatchObject({
      top_p: 1, top_k: 50, temperature: 1, typical_p: 1, epsilon_cutoff: 0, eta_cutoff: 0, diversity_penalty: 0,
      repetition_penalty: 1, max_tokens: 512,
    });
    expect(check(DEFAULTS)).toEqual([]);
  });
});

describe('check', () => {
  it.each([
    [{top_p: 0}, 'top_p:rangeAbove'],
    [{top_p: 1.01}, 'top_p:rangeAbove'],
    [{top_p: NaN}, 'top_p:rangeAbove'],
    [{temperature: 0}, 'temperature:temperatureZero'],
    [{temperature: -1}, 'temperature:rangeAbove'],
    [{epsilon_cutoff: 1}, 'epsilon_cutoff:rangeBelow'],
    [{eta_cutoff: -0.1}, 'eta_cutoff:rangeBelow'],
    [{repetition_penalty: 0}, 'repetition_penalty:rangeAbove'],
    [{length_penalty: -101}, 'length_penalty:range'],
    [{seed: 1.5}, 'seed:integer'],
    [{seed: 1e20}, 'seed:range'],
    [{seed: NaN}, 'seed:range'],
    [{top_k: 1.5}, 'top_k:integer'],
    [{max_tokens: 0}, 'max_tokens:range'],
    [{num_beams: 257}, 'num_beams:range'],
  ])('%o is out of range', (changes, expected) => expect(problems(changes)).toEqual([expected]));

  it.each([
    [{diversity_penalty: 1}, 'diversity_penalty:diversityNeedsGroups'],
    [{num_beam_groups: 2, sample: false, diversity_penalty: 1}, 'num_beam_groups:groupsNeedBeams'],
    [{num_beams: 4, num_beam_groups: 3, sample: false, diversity_penalty: 1}, 'num_beam_groups:beamsNotDivisible'],
    [{num_beams: 4, num_beam_groups: 2, diversity_penalty: 1}, 'sample:groupsSample'],
    [{num_beams: 4, num_beam_groups: 2, sample: false}, 'diversity_penalty:groupsNeedDiversity'],
    [{num_beams: 2, n: 3}, 'n:answersBeyondBeams'],
    [{sample: false, temperature: 0.5}, 'temperature:noEffectGreedy'],
    [{length_penalty: 2}, 'length_penalty:noEffectWithoutBeams'],
    [{sample: false, n: 2}, 'n:sameAnswers'],
  ])('%o contradicts itself', (changes, expected) => expect(problems(changes)).toEqual([expected]));

  it('names the bounds as they are', () => {
    const said = (changes: Partial<Parameters>) =>
      check({...DEFAULTS, ...changes}).map((p) => en.problem[p.code](p.values)).join();
    expect(said({typical_p: 0})).toBe('Must be above 0 and at most 1.');
    expect(said({eta_cutoff: 1})).toBe('Must be at least 0 and below 1.');
    expect(said({length_penalty: -101})).toBe('Must be from -100 to 100.');
    expect(said({min_p: 2})).toBe('Must be from 0 to 1.');
  });

  it('has nothing against either end of a slider', () => {
    for (const d of Object.values(DEFINITIONS)) {
      for (const end of [sliderLeast(d), d.max]) {
        expect(problems({[d.key]: end}).filter((p) => /range/i.test(p)), d.key).toEqual([]);
      }
    }
  });

  it('makes temperature 0 what the server takes it for', () => {
    const [problem] = check({...DEFAULTS, temperature: 0});
    expect(problem.fix).toEqual({temperature: 1, sample: false});
    expect(problems({temperature: 0, sample: false})).toEqual(['temperature:noEffectGreedy']);
  });

  it('takes what is right', () => {
    expect(problems({num_beams: 6, num_beam_groups: 3, sample: false, diversity_penalty: 0.5, n: 6})).toEqual([]);
    expect(problems({num_beams: 3, length_penalty: -1, n: 3})).toEqual([]);
    expect(problems({n: 4})).toEqual([]);
  });

  it('knows the context', () => {
    expect(problems({max_tokens: 513}, 512)).toEqual(['max_tokens:beyondContext']);
    expect(problems({max_tokens: 512}, 512)).toEqual([]);
  });

  it('offers a fix that leads to no error, whatever was wrong', () => {
    for (const num_beams of [1, 2, 3, 4, 5, 8]) {
      for (const num_beam_groups of [1, 2, 3, 4]) {
        for (const diversity_penalty of [0, 1]) {
          for (const n of [1, 3]) {
            for (const sample of [true, false]) {
              let p: Parameters = {...DEFAULTS, num_beams, num_beam_groups, diversity_penalty, n, sample};
              for (let tries = 0; tries < 6 && hasErrors(check(p)); ++tries) {
                p = {...p, ...check(p).find((problem) => problem.severity === 'error')!.fix};
              }
              expect(hasErrors(check(p)), JSON.stringify(p)).toBe(false);
            }
          }
        }
      }
    }
  });
});

describe('requestFields', () => {
  it('sends temperature 0 without sampling, and no parameter of it', () => {
    const fields = requestFields({...DEFAULTS, sample: false, top_p: 0.5}, 'own');
    expect(fields).toEqual({max_tokens: 512, repetition_penalty: 1, temperature: 0});
  });

  it('sends beams only with beams, and the format only where it is not the own', () => {
    expect(requestFields({...DEFAULTS, length_penalty: 2}, 'own')).not.toHaveProperty('length_penalty');
    const fields = requestFields(
      {...DEFAULTS, sample: false, num_beams: 4, num_beam_groups: 2, diversity_penalty: 1, n: 2, early_stopping: 'true', seed: 0},
      'llama2',
    );
    expect(fields).toMatchObject({
      num_beams: 4, num_beam_groups: 2, diversity_penalty: 1, n: 2, early_stopping: true, seed: 0, prompt_format: 'llama2',
    });
  });
});

describe('readParameters', () => {
  it('takes what fits and defaults for the rest', () => {
    expect(readParameters({top_p: 0.9, top_k: 'x', temperature: -1, sample: false, seed: 3, extra: 1})).toEqual({
      ...DEFAULTS, top_p: 0.9, sample: false, seed: 3,
    });
    expect(readParameters(null)).toEqual(DEFAULTS);
  });
});

describe('presets', () => {
  it('have no error and are found again', () => {
    for (const name of PRESET_NAMES) {
      expect(hasErrors(check(presetParameters(name)))).toBe(false);
      expect(presetOf(presetParameters(name))).toBe(name);
    }
    expect(presetOf({...DEFAULTS, top_k: 7})).toBeNull();
    expect(presetSystem('translation', 'Russian')).toContain('Russian');
  });
});

describe('texts', () => {
  it('are there in both languages, for every key', () => {
    const keys = (value: unknown): unknown =>
      typeof value === 'object' && value !== null
        ? Object.fromEntries(Object.entries(value).map(([key, inner]) => [key, keys(inner)]))
        : typeof value;
    expect(keys(ru)).toEqual(keys(en));
  });

  it('count in Russian', () => {
    expect([1, 2, 5, 11, 21, 22, 112].map(ru.tokens)).toEqual([
      '1 токен', '2 токена', '5 токенов', '11 токенов', '21 токен', '22 токена', '112 токенов',
    ]);
  });
});
