import type {JobOrder, Model} from '../api/types';
import {parseSize} from './format';

/** The form that asks for a smaller model, as it is typed. */
export interface JobForm {
  kind: JobOrder['kind'];
  model: string;
  /** "" takes the suggested name. */
  output: string;
  type: string;
  method: string;
  group: string;
  calibration: string;
  max_size: string;
  max_memory: string;
  max_loss: string;
  metric: 'ppl' | 'kld' | 'arc';
  min_speed: string;
}

export const EMPTY_FORM: JobForm = {
  kind: 'optimize',
  model: '',
  output: '',
  type: 'q4_k_m',
  method: 'rtn',
  group: '128',
  calibration: 'self',
  max_size: '',
  max_memory: '',
  max_loss: '',
  metric: 'ppl',
  min_speed: '',
};

/** Types by bits per weight of most matrices, as `nibble quantize --type` takes them. */
export const TYPES: [name: string, bits: number][] = [
  ['f16', 16], ['q8_0', 8.5], ['int8', 8], ['q6_k', 6.56], ['q5_1', 6], ['q5_k_m', 5.7], ['q5_k_s', 5.5],
  ['q5_0', 5.5], ['q4_1', 5], ['q4_k_m', 4.9], ['q4_k_s', 4.6], ['q4_0', 4.5], ['iq4_nl', 4.5], ['nf4', 4.5],
  ['fp4', 4.5], ['iq4_xs', 4.25], ['mxfp4', 4.25], ['int4', 4.13], ['q3_k_l', 4.3], ['q3_k_m', 3.9], ['q3_k_s', 3.5],
  ['q2_k', 2.9],
];

export const METHODS = ['rtn', 'gptq', 'awq', 'autoround', 'hqq', 'learned-scales', 'smoothquant'];
const CALIBRATED = ['gptq', 'awq', 'autoround', 'smoothquant'];
export const needsCalibration = (form: JobForm): boolean => form.kind === 'optimize' || CALIBRATED.includes(form.method);

export type FormProblem = 'sizeWrong' | 'lossWrong' | 'speedWrong' | 'nameWrong' | 'nameTaken';

export function suggestedName(form: JobForm): string {
  const stem = form.model.replace(/[-_.](f32|f16|bf16)$/i, '').replace(/[^A-Za-z0-9._+-]/g, '-');
  if (form.kind === 'quantize') {
    return `${stem}-${form.type}${form.method === 'rtn' ? '' : '-' + form.method}`;
  }
  const bound = form.max_size || form.max_memory || form.max_loss.replace('%', 'pct');
  return `${stem}-optimized${bound ? '-' + bound.replace(/[^A-Za-z0-9.]/g, '') : ''}`;
}

/** By the field that is wrong. */
export function checkForm(form: JobForm, models: Model[]): Partial<Record<keyof JobForm, FormProblem>> {
  const problems: Partial<Record<keyof JobForm, FormProblem>> = {};
  const output = form.output || suggestedName(form);
  const file = output.endsWith('.gguf') ? output : `${output}.gguf`;
  if (!/^[A-Za-z0-9][A-Za-z0-9._+-]{0,119}$/.test(output)) problems.output = 'nameWrong';
  if (models.some((model) => model.path.split('/').at(-1) === file)) problems.output = 'nameTaken';
  if (form.kind === 'optimize') {
    for (const field of ['max_size', 'max_memory'] as const) {
      if (form[field].trim() && parseSize(form[field]) === null) problems[field] = 'sizeWrong';
    }
    const loss = /^(\d*[.,]?\d+)\s*%?$/.exec(form.max_loss.trim());
    if (form.max_loss.trim() && !(loss && Number(loss[1].replace(',', '.')) > 0)) problems.max_loss = 'lossWrong';
    const speed = form.min_speed.trim().replace(',', '.');
    if (speed && !(Number(speed) > 0)) problems.min_speed = 'speedWrong';
  }
  return problems;
}

/** What the server is asked for; only of a form without problems. */
export function orderOf(form: JobForm): JobOrder {
  const options: JobOrder['options'] = {};
  const plain = (text: string) => text.trim().replace(',', '.').replace(/\s/g, '');
  if (form.kind === 'quantize') {
    options.type = form.type;
    if (form.method !== 'rtn') options.method = form.method;
    if (form.type === 'int4') options.group = Number(form.group);
  } else {
    for (const field of ['max_size', 'max_memory'] as const) {
      // Sizes go as bytes: what "GB" means is decided once, here.
      const size = parseSize(form[field]);
      if (size !== null) options[field] = Math.floor(size);
    }
    if (form.max_loss.trim()) {
      options.max_loss = plain(form.max_loss);
      options.metric = form.metric;
    }
    if (form.min_speed.trim()) options.min_speed = Number(plain(form.min_speed));
  }
  if (needsCalibration(form) && form.calibration.trim()) options.calibration = form.calibration.trim();
  return {kind: form.kind, model: form.model, output: form.output || suggestedName(form), options};
}
