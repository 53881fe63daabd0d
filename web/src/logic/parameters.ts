/** The decoding parameters: ranges, the paper's defaults, and what contradicts what. */
export interface Parameters {
  /** False: the most probable token each time. */
  sample: boolean;
  top_p: number;
  top_k: number;
  temperature: number;
  typical_p: number;
  epsilon_cutoff: number;
  eta_cutoff: number;
  min_p: number;
  repetition_penalty: number;
  max_tokens: number;
  num_beams: number;
  num_beam_groups: number;
  diversity_penalty: number;
  length_penalty: number;
  early_stopping: 'false' | 'true' | 'never';
  /** Answers to show: the best of the beams, or as many samples. */
  n: number;
  seed: number | null;
}

export type NumberKey = Exclude<keyof Parameters, 'sample' | 'early_stopping' | 'seed'>;

export interface Definition {
  key: NumberKey;
  /** Of the slider; a typed value may go from `least`, min where there is none, to `most`. */
  min: number;
  max: number;
  least?: number;
  most: number;
  step: number;
  integer?: boolean;
  /** The least itself is not allowed. */
  above?: boolean;
  /** The most itself is not allowed. */
  below?: boolean;
}

export const DEFAULTS: Parameters = {
  sample: true,
  top_p: 1,
  top_k: 50,
  temperature: 1,
  typical_p: 1,
  epsilon_cutoff: 0,
  eta_cutoff: 0,
  min_p: 0,
  repetition_penalty: 1,
  max_tokens: 512,
  num_beams: 1,
  num_beam_groups: 1,
  diversity_penalty: 0,
  length_penalty: 1,
  early_stopping: 'false',
  n: 1,
  seed: null,
};

export const DEFINITIONS: Record<NumberKey, Definition> = {
  top_p: {key: 'top_p', min: 0, max: 1, most: 1, step: 0.01, above: true},
  top_k: {key: 'top_k', min: 0, max: 200, most: 1e6, step: 1, integer: true},
  temperature: {key: 'temperature', min: 0, max: 2, most: 100, step: 0.05, above: true},
  typical_p: {key: 'typical_p', min: 0, max: 1, most: 1, step: 0.01, above: true},
  epsilon_cutoff: {key: 'epsilon_cutoff', min: 0, max: 0.002, most: 1, step: 0.0001, below: true},
  eta_cutoff: {key: 'eta_cutoff', min: 0, max: 0.004, most: 1, step: 0.0001, below: true},
  min_p: {key: 'min_p', min: 0, max: 1, most: 1, step: 0.01},
  repetition_penalty: {key: 'repetition_penalty', min: 0, max: 2, most: 100, step: 0.01, above: true},
  max_tokens: {key: 'max_tokens', min: 1, max: 4096, most: 1e6, step: 1, integer: true},
  num_beams: {key: 'num_beams', min: 1, max: 16, most: 256, step: 1, integer: true},
  num_beam_groups: {key: 'num_beam_groups', min: 1, max: 16, most: 256, step: 1, integer: true},
  diversity_penalty: {key: 'diversity_penalty', min: 0, max: 5, most: 1e6, step: 0.1},
  length_penalty: {key: 'length_penalty', min: -2, max: 4, least: -100, most: 100, step: 0.1},
  n: {key: 'n', min: 1, max: 8, most: 64, step: 1, integer: true},
};

/** In the order of the paper's page; the others stand in groups below. */
export const SAMPLING_KEYS: NumberKey[] = ['top_p', 'top_k', 'temperature', 'typical_p', 'epsilon_cutoff', 'eta_cutoff'];
const ONLY_SAMPLING: NumberKey[] = [...SAMPLING_KEYS, 'min_p'];

export type ProblemCode =
  | 'range'
  | 'rangeAbove'
  | 'rangeBelow'
  | 'temperatureZero'
  | 'integer'
  | 'diversityNeedsGroups'
  | 'groupsNeedBeams'
  | 'beamsNotDivisible'
  | 'groupsSample'
  | 'groupsNeedDiversity'
  | 'answersBeyondBeams'
  | 'beyondContext'
  | 'noEffectGreedy'
  | 'noEffectWithoutBeams'
  | 'sameAnswers';

export interface Problem {
  key: keyof Parameters;
  code: ProblemCode;
  /** An error keeps the request from being sent; a note only says that something has no effect. */
  severity: 'error' | 'note';
  /** For the message. */
  values: number[];
  /** What would mend it. */
  fix?: Partial<Parameters>;
}

function rangeProblem(d: Definition, value: number): Problem | null {
  const least = d.least ?? d.min;
  const usual = {[d.key]: DEFAULTS[d.key]};
  const error = (code: ProblemCode, fix: Partial<Parameters> = usual): Problem => ({
    key: d.key,
    code,
    severity: 'error',
    values: [least, d.most],
    fix,
  });
  // To the server it means greedy decoding, which has a switch of its own here.
  if (d.key === 'temperature' && value === 0) return error('temperatureZero', {...usual, sample: false});
  const low = d.above ? value > least : value >= least;
  const high = d.below ? value < d.most : value <= d.most;
  // Written so that NaN, an empty field, is out of range.
  if (!(low && high)) return error(d.above ? 'rangeAbove' : d.below ? 'rangeBelow' : 'range');
  return d.integer && !Number.isInteger(value) ? error('integer') : null;
}

/** Larger ones would be rounded on their way. NaN is what cannot be read as a number. */
function seedProblem(seed: number | null): Problem | null {
  if (seed === null || Number.isSafeInteger(seed)) return null;
  const most = Number.MAX_SAFE_INTEGER;
  const code = Number.isInteger(seed) || Number.isNaN(seed) ? 'range' : 'integer';
  return {key: 'seed', code, severity: 'error', values: [-most, most], fix: {seed: null}};
}

/** The least that a slider goes to: one step above a bound that is not allowed. */
export const sliderLeast = (d: Definition): number => (d.above ? d.min + d.step : d.min);

/** The next divisor of `beams` not above `groups`. */
function divisor(beams: number, groups: number): number {
  for (let g = Math.min(groups, beams); g > 1; --g) if (beams % g === 0) return g;
  return 1;
}

function beamProblems(p: Parameters): Problem[] {
  const problems: Problem[] = [];
  const error = (key: keyof Parameters, code: ProblemCode, values: number[], fix: Partial<Parameters>) =>
    problems.push({key, code, severity: 'error', values, fix});
  const groups = p.num_beam_groups;
  const usual = p.num_beams > 1 && p.num_beams % 2 === 0 ? p.num_beams : 4;
  if (groups === 1 && p.diversity_penalty > 0) {
    error('diversity_penalty', 'diversityNeedsGroups', [], {num_beams: usual, num_beam_groups: 2, sample: false});
  }
  if (groups > 1) {
    if (p.num_beams === 1) {
      error('num_beam_groups', 'groupsNeedBeams', [groups], {num_beams: groups * 2});
    } else if (p.num_beams % groups !== 0) {
      const fits = divisor(p.num_beams, groups);
      error('num_beam_groups', 'beamsNotDivisible', [p.num_beams, groups], {
        num_beam_groups: fits,
        ...(fits === 1 ? {diversity_penalty: 0} : {}),
      });
    }
    if (p.sample) error('sample', 'groupsSample', [groups], {sample: false});
    if (p.diversity_penalty === 0) error('diversity_penalty', 'groupsNeedDiversity', [groups], {diversity_penalty: 1});
  }
  if (p.num_beams > 1 && p.n > p.num_beams) error('n', 'answersBeyondBeams', [p.n, p.num_beams], {n: p.num_beams});
  return problems;
}

function notes(p: Parameters): Problem[] {
  const problems: Problem[] = [];
  const note = (key: keyof Parameters, code: ProblemCode, fix?: Partial<Parameters>) =>
    problems.push({key, code, severity: 'note', values: [], fix});
  if (!p.sample) {
    for (const key of ONLY_SAMPLING) if (p[key] !== DEFAULTS[key]) note(key, 'noEffectGreedy');
    if (p.num_beams === 1 && p.n > 1) note('n', 'sameAnswers', {sample: true});
  }
  if (p.num_beams === 1) {
    if (p.length_penalty !== 1) note('length_penalty', 'noEffectWithoutBeams');
    if (p.early_stopping !== 'false') note('early_stopping', 'noEffectWithoutBeams');
  }
  return problems;
}

/** Everything that is wrong; `context` in tokens where the model's is known. */
export function check(p: Parameters, context: number | null = null): Problem[] {
  const ranges: Problem[] = [];
  for (const d of Object.values(DEFINITIONS)) {
    const problem = rangeProblem(d, p[d.key]);
    // Without sampling it says what is done anyway.
    const greedy = problem?.code === 'temperatureZero' && !p.sample;
    if (problem && !greedy) ranges.push(problem);
  }
  const seed = seedProblem(p.seed);
  if (seed) ranges.push(seed);
  if (ranges.length > 0) return ranges;
  const problems = [...beamProblems(p), ...notes(p)];
  if (context !== null && p.max_tokens > context) {
    const fix = {max_tokens: Math.max(1, Math.floor(context / 2))};
    problems.push({key: 'max_tokens', code: 'beyondContext', severity: 'error', values: [p.max_tokens, context], fix});
  }
  return problems;
}

export function hasErrors(problems: Problem[]): boolean {
  return problems.some((problem) => problem.severity === 'error');
}

export type PromptFormat = 'own' | 'alpaca' | 'chatml' | 'llama2';

/** The request's fields. What has no effect is left out: the server refuses some of it. */
export function requestFields(p: Parameters, format: PromptFormat): Record<string, unknown> {
  const fields: Record<string, unknown> = {max_tokens: p.max_tokens, repetition_penalty: p.repetition_penalty};
  if (p.sample) {
    for (const key of ONLY_SAMPLING) fields[key] = p[key];
  } else {
    fields.temperature = 0;
  }
  if (p.num_beams > 1) {
    fields.num_beams = p.num_beams;
    fields.length_penalty = p.length_penalty;
    fields.early_stopping = p.early_stopping === 'never' ? 'never' : p.early_stopping === 'true';
    if (p.num_beam_groups > 1) {
      fields.num_beam_groups = p.num_beam_groups;
      fields.diversity_penalty = p.diversity_penalty;
    }
  }
  if (p.n > 1) fields.n = p.n;
  if (p.seed !== null) fields.seed = p.seed;
  if (format !== 'own') fields.prompt_format = format;
  return fields;
}

/** Stored settings of an older page, or of somebody's hand: what fits is taken. */
export function readParameters(raw: unknown): Parameters {
  const result: Parameters = {...DEFAULTS};
  if (typeof raw !== 'object' || raw === null) return result;
  const values = raw as Record<string, unknown>;
  for (const d of Object.values(DEFINITIONS)) {
    const value = values[d.key];
    if (typeof value === 'number' && !rangeProblem(d, value)) result[d.key] = value;
  }
  if (typeof values.sample === 'boolean') result.sample = values.sample;
  if (['false', 'true', 'never'].includes(values.early_stopping as string)) {
    result.early_stopping = values.early_stopping as Parameters['early_stopping'];
  }
  if (Number.isSafeInteger(values.seed)) result.seed = values.seed as number;
  return result;
}
