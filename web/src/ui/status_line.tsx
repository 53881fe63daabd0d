import {locale, t} from '../i18n';
import {bytes, number, percent} from '../logic/format';
import {path} from '../logic/tree';
import {current} from '../state/conversations';
import {generations} from '../state/generation';
import {context, status} from '../state/server';

/** Tokens that the current conversation takes of the context: as the server counted them last. */
function contextUsed(): number {
  const last = path(current.value)
    .filter((node) => node.usage)
    .at(-1)?.usage;
  return last ? last.prompt_tokens + last.completion_tokens : 0;
}

/** tokens/s, memory and context, live. */
export function StatusLine() {
  const now = status.value;
  if (!now) return <div class="status" />;
  const own = generations.value[current.value.id]?.answer.rate;
  const rate = own ?? now.tokens_per_s;
  const memory = t().memoryDetail(bytes(now.memory.weights, locale.value), bytes(now.memory.cache_used, locale.value));
  const all = context.value ?? 0;
  const used = Math.min(contextUsed(), all);
  return (
    <dl class="status" aria-label={t().status}>
      <div title={[t().active(now.active), t().queued(now.queued)].join(', ')}>
        <dt class="unseen">{t().speed}</dt>
        <dd>
          <span class={now.active > 0 ? 'dot busy' : 'dot'} />
          <b>{rate > 0 ? number(rate, locale.value) : '–'}</b> {t().tokensPerS}
        </dd>
      </div>
      <div title={memory}>
        <dt>{t().memory}</dt>
        <dd>
          <b>{bytes(now.memory.resident, locale.value)}</b>
        </dd>
      </div>
      {all > 0 && (
        <div title={`${number(used, locale.value, 0)} / ${number(all, locale.value, 0)}`}>
          <dt>{t().contextUse}</dt>
          <dd>
            <meter min={0} max={all} high={all * 0.85} value={used} aria-label={t().contextUse} />
            <b>{percent(used / all, locale.value)}</b>
          </dd>
        </div>
      )}
    </dl>
  );
}
