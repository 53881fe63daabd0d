import {useState} from 'preact/hooks';
import {t} from '../i18n';
import type {Problem} from '../logic/parameters';
import {setParameters, settings} from '../state/settings';
import {Problems} from './number_control';

/** Empty is random; what is no number is NaN, and an error. */
function seedOf({value, valueAsNumber, validity}: HTMLInputElement): number | null {
  return value === '' && !validity.badInput ? null : valueAsNumber;
}

export function SeedControl({problems}: {problems: Problem[]}) {
  const {seed} = settings.value.parameters;
  // What is being typed may be no number yet.
  const [typed, setTyped] = useState<string | null>(null);
  return (
    <div class="parameter">
      <div class="parameter-head">
        <label for="seed">{t().name.seed}</label>
        <input
          id="seed"
          type="number"
          step="any"
          value={typed ?? (seed === null || Number.isNaN(seed) ? '' : seed)}
          placeholder={t().random}
          aria-invalid={problems.length > 0}
          aria-describedby="seed-hint seed-problem"
          onInput={(event) => {
            setTyped(event.currentTarget.value);
            setParameters({seed: seedOf(event.currentTarget)});
          }}
          onBlur={() => setTyped(null)}
        />
      </div>
      <p id="seed-hint" class="hint">
        {t().explain.seed}
      </p>
      <Problems id="seed-problem" problems={problems} />
    </div>
  );
}
