import {ApiError, errorOf, request} from './client';
import {readEvents} from './sse';
import type {Message, Timings, Usage} from './types';

/** What one event of a streamed answer brings. */
export interface ChatPiece {
  texts: {choice: number; text: string}[];
  finished: {choice: number; reason: string}[];
  usage: Usage | null;
  timings: Timings | null;
}

interface Chunk {
  choices?: {index: number; delta?: {content?: string | null}; finish_reason?: string | null}[];
  usage?: Usage | null;
  timings?: Timings | null;
  error?: unknown;
}

export function readChunk(data: string): ChatPiece {
  const chunk = JSON.parse(data) as Chunk;
  if (chunk.error) throw errorOf(500, chunk);
  const piece: ChatPiece = {texts: [], finished: [], usage: chunk.usage ?? null, timings: chunk.timings ?? null};
  for (const choice of chunk.choices ?? []) {
    if (choice.delta?.content) piece.texts.push({choice: choice.index, text: choice.delta.content});
    if (choice.finish_reason) piece.finished.push({choice: choice.index, reason: choice.finish_reason});
  }
  return piece;
}

/** Streams an answer; `fields` are the decoding parameters. Throws ApiError, or AbortError when stopped. */
export async function* streamChat(
  model: string,
  messages: Message[],
  fields: Record<string, unknown>,
  signal: AbortSignal,
): AsyncGenerator<ChatPiece> {
  const body = {model, messages, stream: true, stream_options: {include_usage: true}, ...fields};
  const response = await request('/v1/chat/completions', {method: 'POST', body: JSON.stringify(body), signal});
  let ended = false;
  try {
    for await (const {data} of readEvents(response)) {
      if (data === '[DONE]') {
        ended = true;
        break;
      }
      yield readChunk(data);
    }
  } catch (error) {
    if (error instanceof ApiError || (error as Error).name === 'AbortError') throw error;
    throw new ApiError('', 0);
  }
  if (!ended) throw new ApiError('', 0);
}
