import {ApiError} from '../api/client';
import {t} from '../i18n';

/** What a person reads of an error; `begun`: a part of the answer had come. */
export function errorText(error: unknown, begun = false): string {
  if (error instanceof ApiError) return error.unreachable ? (begun ? t().cut : t().unreachable) : error.message;
  return String((error as Error)?.message ?? error);
}

export const isAbort = (error: unknown): boolean => (error as Error)?.name === 'AbortError';
