import {streamChat, type ChatPiece} from '../api/chat';
import type {Message, Timings, Usage} from '../api/types';
import {errorText, isAbort} from './errors';
import {running} from './server';

/** An answer, or several to choose from, as far as it has come. */
export interface Answer {
  texts: string[];
  usage?: Usage;
  timings?: Timings;
  /** OpenAI's finish_reason of the first choice, or "stopped". */
  finish?: string;
  error?: string;
  /** Seconds from asking to the first text. */
  firstText?: number;
  /** Of this answer's pieces, while it comes. */
  rate?: number;
}

/** How often the page is drawn while text comes: more would cost the model's own time. */
const DRAW_MS = 60;

/** Asks for an answer and tells `draw` of it as it grows; the last call has all. Never throws. */
export async function ask(
  model: string,
  messages: Message[],
  fields: Record<string, unknown>,
  signal: AbortSignal,
  draw: (answer: Answer) => void,
): Promise<Answer> {
  const answer: Answer = {texts: Array.from({length: Number(fields.n ?? 1)}, () => '')};
  const asked = performance.now();
  let first = 0;
  let pieces = 0;
  let drawn = 0;

  const take = (piece: ChatPiece) => {
    const now = performance.now();
    for (const {choice, text} of piece.texts) {
      answer.texts[choice] = (answer.texts[choice] ?? '') + text;
      if (first === 0) {
        first = now;
        answer.firstText = (now - asked) / 1000;
      } else {
        ++pieces;
      }
    }
    if (now - first > 250) answer.rate = (pieces * 1000) / (now - first);
    for (const {choice, reason} of piece.finished) if (choice === 0) answer.finish = reason;
    if (piece.usage) answer.usage = piece.usage;
    if (piece.timings) answer.timings = piece.timings;
    if (now - drawn >= DRAW_MS) {
      drawn = now;
      draw({...answer, texts: [...answer.texts]});
    }
  };

  ++running.value;
  try {
    for await (const piece of streamChat(model, messages, fields, signal)) take(piece);
    answer.finish ??= 'stop';
  } catch (error) {
    if (isAbort(error)) answer.finish = 'stopped';
    else answer.error = errorText(error, first > 0);
  } finally {
    --running.value;
  }
  draw({...answer, texts: [...answer.texts]});
  return answer;
}
