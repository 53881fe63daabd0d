import {t} from '../i18n';
import {
  DEFAULTS,
  SAMPLING_KEYS,
  check,
  type NumberKey,
  type Parameters,
  type Problem,
  type PromptFormat,
} from '../logic/parameters';
import {LANGUAGES, PRESET_NAMES, presetOf, presetParameters, presetSystem, type PresetName} from '../logic/presets';
import {current, update} from '../state/conversations';
import {context} from '../state/server';
import {set, setParameters, settings} from '../state/settings';
import {IconButton} from '../ui/button';
import {NumberControl, Problems} from './number_control';
import {SeedControl} from './seed_control';

function setSystem(system: string): void {
  set({system});
  update(current.value.id, (c) => ({...c, system}));
}

export function applyPreset(name: PresetName): void {
  set({parameters: presetParameters(name)});
  setSystem(presetSystem(name, settings.value.target));
}

function Presets() {
  const chosen = presetOf(settings.value.parameters);
  return (
    <fieldset class="presets">
      <legend>{t().presets}</legend>
      <div class="preset-buttons">
        {PRESET_NAMES.map((name) => (
          <button key={name} type="button" aria-pressed={chosen === name} onClick={() => applyPreset(name)}>
            {t().preset[name]}
          </button>
        ))}
      </div>
      {chosen && <p class="hint">{t().presetHint[chosen]}</p>}
      {chosen === 'translation' && (
        <>
          <label for="target">{t().targetLanguage}</label>
          <select
            id="target"
            value={settings.value.target}
            onChange={(event) => {
              set({target: event.currentTarget.value});
              setSystem(presetSystem('translation', event.currentTarget.value));
            }}
          >
            {LANGUAGES.map((language) => (
              <option key={language} value={language}>
                {t().languageNames[language]}
              </option>
            ))}
          </select>
        </>
      )}
    </fieldset>
  );
}

function Prompt() {
  const formats: PromptFormat[] = ['own', 'alpaca', 'chatml', 'llama2'];
  return (
    <fieldset>
      <legend>{t().prompt}</legend>
      <label for="system">{t().system}</label>
      <textarea
        id="system"
        rows={3}
        value={current.value.system}
        aria-describedby="system-hint"
        onInput={(event) => setSystem(event.currentTarget.value)}
      />
      <p id="system-hint" class="hint">
        {t().systemHint}
      </p>
      <label for="format">{t().format}</label>
      <select
        id="format"
        value={settings.value.format}
        aria-describedby="format-hint"
        onChange={(event) => set({format: event.currentTarget.value as PromptFormat})}
      >
        {formats.map((format) => (
          <option key={format} value={format}>
            {t().formats[format]}
          </option>
        ))}
      </select>
      <p id="format-hint" class="hint">
        {t().formatHint}
      </p>
    </fieldset>
  );
}

function SampleControl({problems}: {problems: Problem[]}) {
  return (
    <div class="parameter">
      <label class="switch">
        <input
          type="checkbox"
          role="switch"
          checked={settings.value.parameters.sample}
          aria-describedby="sample-hint sample-problem"
          onChange={(event) => setParameters({sample: event.currentTarget.checked})}
        />
        {t().name.sample}
      </label>
      <p id="sample-hint" class="hint">
        {t().explain.sample}
      </p>
      <Problems id="sample-problem" problems={problems} />
    </div>
  );
}

function EarlyStopping({problems}: {problems: Problem[]}) {
  const values: Parameters['early_stopping'][] = ['false', 'true', 'never'];
  return (
    <div class="parameter">
      <label for="early_stopping">{t().name.early_stopping}</label>
      <select
        id="early_stopping"
        value={settings.value.parameters.early_stopping}
        aria-describedby="early_stopping-hint early_stopping-problem"
        onChange={(event) =>
          setParameters({early_stopping: event.currentTarget.value as Parameters['early_stopping']})
        }
      >
        {values.map((value) => (
          <option key={value} value={value}>
            {t().earlyStopping[value]}
          </option>
        ))}
      </select>
      <p id="early_stopping-hint" class="hint">
        {t().explain.early_stopping}
      </p>
      <Problems id="early_stopping-problem" problems={problems} />
    </div>
  );
}

export function ParametersPanel({onClose}: {onClose?: () => void}) {
  const parameters = settings.value.parameters;
  const problems = check(parameters, context.value);
  const of = (key: keyof Parameters) => problems.filter((problem) => problem.key === key);
  const control = (key: NumberKey) => (
    <NumberControl
      key={key}
      name={key}
      value={parameters[key]}
      problems={of(key)}
      most={key === 'max_tokens' && context.value ? context.value : undefined}
    />
  );
  const beams = parameters.num_beams > 1 || parameters.num_beam_groups > 1;
  return (
    <>
      <div class="panel-head">
        <h2>{t().parameters}</h2>
        {onClose && <IconButton class="panel-close" icon="close" label={t().close} onClick={onClose} />}
      </div>
      <Presets />
      <fieldset>
        <legend>{t().sampling}</legend>
        <SampleControl problems={of('sample')} />
        {SAMPLING_KEYS.map(control)}
      </fieldset>
      <fieldset>
        <legend>{t().beams}</legend>
        {control('diversity_penalty')}
        {control('num_beams')}
        {control('num_beam_groups')}
        {control('n')}
      </fieldset>
      <fieldset>
        <legend>{t().length}</legend>
        {control('repetition_penalty')}
        {control('max_tokens')}
      </fieldset>
      <Prompt />
      <details>
        <summary>{t().more}</summary>
        {control('min_p')}
        <SeedControl problems={of('seed')} />
        {(beams || parameters.length_penalty !== DEFAULTS.length_penalty) && control('length_penalty')}
        {(beams || parameters.early_stopping !== 'false') && <EarlyStopping problems={of('early_stopping')} />}
      </details>
    </>
  );
}
