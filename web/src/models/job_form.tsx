import type {ComponentChildren} from 'preact';
import {useState} from 'preact/hooks';
import {locale, t} from '../i18n';
import {number} from '../logic/format';
import {
  METHODS,
  TYPES,
  checkForm,
  needsCalibration,
  orderOf,
  suggestedName,
  type FormProblem,
  type JobForm,
} from '../logic/job_form';
import {errorText} from '../state/errors';
import {addJob} from '../state/jobs';
import {models} from '../state/server';
import {form, setForm} from './form_state';

type Problems = Partial<Record<keyof JobForm, FormProblem>>;
type TextField = 'output' | 'max_size' | 'max_memory' | 'max_loss' | 'min_speed' | 'calibration';

function Field({
  name,
  label,
  hint,
  problems,
  placeholder,
}: {
  name: TextField;
  label: string;
  hint: string;
  problems: Problems;
  placeholder?: string;
}) {
  const problem = problems[name];
  return (
    <div class="field">
      <label for={name}>{label}</label>
      <input
        id={name}
        type="text"
        autocomplete="off"
        spellcheck={false}
        value={form.value[name]}
        placeholder={placeholder}
        aria-invalid={problem !== undefined}
        aria-describedby={`${name}-hint`}
        onInput={(event) => setForm({[name]: event.currentTarget.value})}
      />
      <p id={`${name}-hint`} class={problem ? 'problem error' : 'hint'}>
        {problem ? t()[problem] : hint}
      </p>
    </div>
  );
}

function Choice({
  id,
  label,
  value,
  onChange,
  children,
}: {
  id: string;
  label: string;
  value: string;
  onChange: (value: string) => void;
  children: ComponentChildren;
}) {
  return (
    <div class="field">
      <label for={id}>{label}</label>
      <select id={id} value={value} onChange={(event) => onChange(event.currentTarget.value)}>
        {children}
      </select>
    </div>
  );
}

function Kind() {
  const kinds: JobForm['kind'][] = ['optimize', 'quantize'];
  return (
    <fieldset class="kinds">
      <legend>{t().how}</legend>
      {kinds.map((kind) => (
        <label key={kind}>
          <input
            type="radio"
            name="kind"
            value={kind}
            checked={form.value.kind === kind}
            onChange={() => setForm({kind})}
          />
          <span>
            <b>{t()[kind]}</b>
            <span class="hint">{kind === 'optimize' ? t().optimizeHint : t().quantizeHint}</span>
          </span>
        </label>
      ))}
    </fieldset>
  );
}

function Bounds({problems}: {problems: Problems}) {
  const metrics: JobForm['metric'][] = ['ppl', 'kld', 'arc'];
  return (
    <>
      <div class="fields">
        <Field name="max_size" label={t().maxSize} hint={t().maxSizeHint} problems={problems} />
        <Field name="max_memory" label={t().maxMemory} hint={t().maxMemoryHint} problems={problems} />
        <Field name="max_loss" label={t().maxLoss} hint={t().maxLossHint} problems={problems} />
        <Choice
          id="metric"
          label={t().metric}
          value={form.value.metric}
          onChange={(metric) => setForm({metric: metric as JobForm['metric']})}
        >
          {metrics.map((metric) => (
            <option key={metric} value={metric}>
              {t().metrics[metric]}
            </option>
          ))}
        </Choice>
        <Field name="min_speed" label={t().minSpeed} hint={t().minSpeedHint} problems={problems} />
      </div>
      <p class="hint">{t().anyBound}</p>
    </>
  );
}

function Recipe() {
  return (
    <div class="fields">
      <Choice id="type" label={t().type} value={form.value.type} onChange={(type) => setForm({type})}>
        {TYPES.map(([name, bits]) => (
          <option key={name} value={name}>
            {name.toUpperCase()} ({number(bits, locale.value, 2)})
          </option>
        ))}
      </Choice>
      <Choice id="method" label={t().method} value={form.value.method} onChange={(method) => setForm({method})}>
        {METHODS.map((method) => (
          <option key={method} value={method}>
            {t().methods[method]}
          </option>
        ))}
      </Choice>
      {form.value.type === 'int4' && (
        <Choice id="group" label={t().group} value={form.value.group} onChange={(group) => setForm({group})}>
          {['32', '64', '128'].map((size) => (
            <option key={size}>{size}</option>
          ))}
        </Choice>
      )}
    </div>
  );
}

export function JobFormView() {
  const [error, setError] = useState('');
  const problems = checkForm(form.value, models.value);
  const wrong = Object.keys(problems).length > 0;
  const build = async () => {
    setError('');
    try {
      await addJob(orderOf(form.value));
      setForm({output: ''});
    } catch (problem) {
      setError(errorText(problem));
    }
  };
  return (
    <section class="job-form" aria-labelledby="make">
      <h2 id="make">{t().makeTitle}</h2>
      <form
        onSubmit={(event) => {
          event.preventDefault();
          if (!wrong && form.value.model) void build();
        }}
      >
        <Choice
          id="job-model"
          label={t().from}
          value={form.value.model}
          onChange={(model) => setForm({model, output: ''})}
        >
          {models.value
            .filter((model) => !model.error)
            .map((model) => (
              <option key={model.id} value={model.id}>
                {model.id}
              </option>
            ))}
        </Choice>
        <Kind />
        {form.value.kind === 'optimize' ? <Bounds problems={problems} /> : <Recipe />}
        <div class="fields">
          {needsCalibration(form.value) && (
            <Field name="calibration" label={t().calibration} hint={t().calibrationHint} problems={problems} />
          )}
          <Field
            name="output"
            label={t().output}
            hint={t().outputHint}
            problems={problems}
            placeholder={suggestedName(form.value)}
          />
        </div>
        {error && (
          <p class="problem error" role="alert">
            {error}
          </p>
        )}
        <button type="submit" class="primary" disabled={wrong || !form.value.model}>
          {t().build}
        </button>
      </form>
    </section>
  );
}
