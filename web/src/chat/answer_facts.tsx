import type {Timings, Usage} from '../api/types';
import {locale, t} from '../i18n';
import {number} from '../logic/format';

interface Facts {
  usage?: Usage;
  timings?: Timings;
  finish?: string;
  firstText?: number;
  rate?: number;
}

/** Tokens, speed and what else is known of how an answer came to be. */
export function AnswerFacts({answer}: {answer: Facts}) {
  const {usage, timings, finish} = answer;
  const facts: string[] = [];
  const rate = timings?.decode_tokens_per_s ?? answer.rate;
  const first = timings ? timings.queue_s + timings.prefill_s : answer.firstText;
  if (usage) facts.push(t().tokens(usage.completion_tokens));
  if (rate) facts.push(`${number(rate, locale.value)} ${t().tokensPerS}`);
  if (first !== undefined) facts.push(t().firstToken(number(first, locale.value, 2)));
  if (timings && timings.cached_tokens > 0) facts.push(t().reused(timings.cached_tokens));
  if (timings && timings.drafted > 0) facts.push(t().drafted(timings.accepted, timings.drafted));
  if (finish === 'length') facts.push(t().cutOff);
  if (finish === 'stopped') facts.push(t().stopped);
  return <span class="facts">{facts.join(' · ')}</span>;
}
