import {signal} from '@preact/signals';
import {AnswerFacts} from '../chat/answer_facts';
import {isExecute, useGrowing} from '../chat/composer';
import {StopButton} from '../chat/stop_button';
import {locale, t} from '../i18n';
import {bytes, number} from '../logic/format';
import {check, hasErrors, requestFields} from '../logic/parameters';
import {commonWords} from '../logic/pareto';
import {ask, type Answer} from '../state/answering';
import {announce, notify} from '../state/notices';
import {changing, context, loadModel, models} from '../state/server';
import {settings} from '../state/settings';
import {CopyButton} from '../ui/button';
import {Markdown} from '../ui/markdown';

const SIDES = ['left', 'right'] as const;
type Side = (typeof SIDES)[number];

/** They stay when another view is looked at. */
const wanted = signal<Record<Side, string>>({left: '', right: ''});
const answers = signal<Partial<Record<Side, Answer & {model: string}>>>({});
const controller = signal<AbortController | null>(null);
const prompt = signal('');

/** The wanted models, or the first that are loaded. */
function chosen(): Record<Side, string> {
  const usable = models.value.filter((model) => !model.error);
  const sorted = [...usable.filter((m) => m.loaded), ...usable.filter((m) => !m.loaded)].map((m) => m.id);
  const left = sorted.includes(wanted.value.left) ? wanted.value.left : (sorted[0] ?? '');
  const others = sorted.filter((id) => id !== left);
  return {left, right: sorted.includes(wanted.value.right) ? wanted.value.right : (others[0] ?? left)};
}

const isLoaded = (id: string) => models.value.some((model) => model.id === id && model.loaded);

async function compare(text: string): Promise<void> {
  const {parameters, format, system} = settings.value;
  if (hasErrors(check(parameters, context.value))) return notify(t().errorsBlock, {error: true});
  const seed = parameters.seed ?? Math.floor(Math.random() * 2 ** 31);
  const fields = requestFields({...parameters, n: 1, seed}, format);
  const own = new AbortController();
  controller.value = own;
  answers.value = {};
  announce(t().writing);
  const messages = [
    ...(system.trim() ? [{role: 'system' as const, content: system}] : []),
    {role: 'user' as const, content: text},
  ];
  const ids = chosen();
  await Promise.all(
    SIDES.map((side) =>
      ask(ids[side], messages, fields, own.signal, (answer) => {
        answers.value = {...answers.value, [side]: {...answer, model: ids[side]}};
      }),
    ),
  );
  controller.value = null;
  announce(verdict());
}

/** How far both are the same, once both are complete. */
function verdict(): string {
  const {left, right} = answers.value;
  if (!left || !right || left.error || right.error || controller.value) return '';
  const [a, b] = [left.texts[0].trim(), right.texts[0].trim()];
  return a === b ? t().identical : t().sameWords(commonWords(a, b));
}

function Column({side}: {side: Side}) {
  const id = chosen()[side];
  const model = models.value.find((one) => one.id === id);
  const answer = answers.value[side];
  const facts = model
    ? [model.type, bytes(model.bytes ?? 0, locale.value), `${t().bits}: ${number(model.bits_per_weight ?? 0, locale.value, 2)}`]
    : [];
  return (
    <section class="column" aria-label={answer ? t().answerOf(answer.model) : t()[side]}>
      <label for={`model-${side}`}>{t()[side]}</label>
      <div class="column-head">
        <select
          id={`model-${side}`}
          value={id}
          disabled={controller.value !== null}
          onChange={(event) => {
            wanted.value = {...chosen(), [side]: event.currentTarget.value};
            answers.value = {};
          }}
        >
          {models.value
            .filter((one) => !one.error)
            .map((one) => (
              <option key={one.id} value={one.id}>
                {one.id}
              </option>
            ))}
        </select>
        {id && !isLoaded(id) && (
          <button type="button" disabled={changing.value.includes(id)} onClick={() => void loadModel(id)}>
            {changing.value.includes(id) ? t().loading : t().loadFirst}
          </button>
        )}
      </div>
      <p class="hint">{facts.join(' · ')}</p>
      <div class="column-answer" aria-busy={controller.value !== null}>
        {answer?.texts[0] && <Markdown text={answer.texts[0]} />}
        {!answer && controller.value && <p class="waiting">{t().thinking}</p>}
        {answer?.error && (
          <p class="problem error" role="alert">
            {answer.error}
          </p>
        )}
      </div>
      {answer && (
        <div class="message-tools">
          <CopyButton text={answer.texts[0]} />
          <AnswerFacts answer={answer} />
        </div>
      )}
    </section>
  );
}

export function CompareView() {
  const area = useGrowing(prompt.value);
  const ids = chosen();
  const loaded = isLoaded(ids.left) && isLoaded(ids.right);
  const ready = loaded && ids.left !== ids.right;
  const busy = controller.value !== null;
  const execute = () => {
    if (ready && prompt.value.trim() && !busy) void compare(prompt.value);
  };
  return (
    <main id="content" class="compare-view" tabIndex={-1}>
      <h1>{t().compareTitle}</h1>
      <p class="under">{t().compareText}</p>
      <form
        class="composer"
        onSubmit={(event) => {
          event.preventDefault();
          execute();
        }}
      >
        <label for="compare-prompt" class="unseen">
          {t().message}
        </label>
        <textarea
          id="compare-prompt"
          ref={area}
          rows={2}
          value={prompt.value}
          placeholder={t().message}
          aria-describedby="compare-hint"
          onInput={(event) => (prompt.value = event.currentTarget.value)}
          onKeyDown={(event) => {
            if (!isExecute(event)) return;
            event.preventDefault();
            execute();
          }}
        />
        <div class="composer-row">
          <span id="compare-hint" class={ready ? 'hint' : 'hint needed'}>
            {ready ? t().messageHint : loaded ? t().needDifferent : t().needTwo}
          </span>
          <button
            type="button"
            disabled={busy}
            onClick={() => {
              prompt.value = '';
              answers.value = {};
            }}
          >
            {t().clear}
          </button>
          {busy ? (
            <StopButton key="stop" onStop={() => controller.value?.abort()} next={area} />
          ) : (
            <button key="execute" type="submit" class="primary" disabled={!ready || !prompt.value.trim()}>
              {t().execute}
            </button>
          )}
        </div>
      </form>
      <p class="verdict">{verdict()}</p>
      <div class="columns">
        {SIDES.map((side) => (
          <Column key={side} side={side} />
        ))}
      </div>
    </main>
  );
}
