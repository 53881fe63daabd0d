import {useEffect, useState} from 'preact/hooks';
import {t} from '../i18n';
import {DEFAULTS, DEFINITIONS, sliderLeast, type NumberKey, type Problem} from '../logic/parameters';
import {setParameters} from '../state/settings';
import {IconButton} from '../ui/button';

/** What is wrong with a control, below it, with a button that mends it. */
export function Problems({id, problems}: {id: string; problems: Problem[]}) {
  return (
    <div id={id} class="problems" aria-live="polite">
      {problems.map((problem) => (
        <p key={problem.code} class={`problem ${problem.severity}`}>
          {t().problem[problem.code](problem.values)}{' '}
          {problem.fix && (
            <button type="button" class="link" onClick={() => setParameters(problem.fix!)}>
              {t().mend}
            </button>
          )}
        </p>
      ))}
    </div>
  );
}

interface Props {
  name: NumberKey;
  value: number;
  problems: Problem[];
  /** A bound that only the model knows. */
  most?: number;
}

/** A parameter: its name, a field to type in, a slider, what it does, what is wrong. */
export function NumberControl({name, value, problems, most}: Props) {
  const definition = DEFINITIONS[name];
  // What is being typed may be no number yet.
  const [typed, setTyped] = useState<string | null>(null);
  useEffect(() => {
    if (typed !== null && Number(typed) !== value && !Number.isNaN(value)) setTyped(null);
  }, [value]);
  const label = t().name[name];
  const wrong = problems.some((problem) => problem.severity === 'error');
  const idle = problems.length > 0 && problems.every((problem) => problem.severity === 'note');
  const max = Math.min(definition.max, most ?? definition.max);
  return (
    <div class={`parameter${idle ? ' idle' : ''}`}>
      <div class="parameter-head">
        <label for={name}>{label}</label>
        {value !== DEFAULTS[name] && (
          <IconButton
            icon="undo"
            label={t().resetOne(label)}
            onClick={() => setParameters({[name]: DEFAULTS[name]})}
          />
        )}
        <input
          id={name}
          type="number"
          min={definition.least ?? definition.min}
          max={most ?? definition.most}
          step="any"
          value={typed ?? (Number.isNaN(value) ? '' : value)}
          aria-invalid={wrong}
          aria-describedby={`${name}-hint ${name}-problem`}
          onInput={(event) => {
            setTyped(event.currentTarget.value);
            setParameters({[name]: event.currentTarget.valueAsNumber});
          }}
          onBlur={() => setTyped(null)}
        />
      </div>
      <input
        type="range"
        min={sliderLeast(definition)}
        max={max}
        step={definition.step}
        value={Number.isNaN(value) ? DEFAULTS[name] : value}
        aria-label={t().slider(label)}
        onInput={(event) => setParameters({[name]: event.currentTarget.valueAsNumber})}
      />
      <p id={`${name}-hint`} class="hint">
        {t().explain[name]}
      </p>
      <Problems id={`${name}-problem`} problems={problems} />
    </div>
  );
}
