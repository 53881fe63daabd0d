import {computed, signal} from '@preact/signals';
import {get, post} from '../api/client';
import type {Model, Status} from '../api/types';
import {errorText, isAbort} from './errors';
import {notify} from './notices';
import {settings} from './settings';

export const models = signal<Model[]>([]);
export const status = signal<Status | null>(null);
export const reachable = signal(true);
/** Ids of models that are being loaded or unloaded. */
export const changing = signal<string[]>([]);
/** Answers that this page waits for. */
export const running = signal(0);

export const loadedModels = computed(() => models.value.filter((m) => m.loaded));
/** The chosen model where it is loaded, else the first that is; null while there is none. */
export const model = computed(
  () => loadedModels.value.find((m) => m.id === settings.value.model) ?? loadedModels.value[0] ?? null,
);
/** Tokens that the chosen model's context has. */
export const context = computed(() => status.value?.context ?? model.value?.context ?? null);

export async function refreshModels(): Promise<void> {
  try {
    models.value = (await get<{models: Model[]}>('/api/models')).models;
    reachable.value = true;
  } catch (error) {
    if (!isAbort(error)) reachable.value = false;
  }
}

async function refreshStatus(): Promise<void> {
  const id = model.value?.id;
  if (!id) {
    status.value = null;
    return refreshModels();
  }
  try {
    status.value = await get<Status>(`/api/status?model=${encodeURIComponent(id)}`);
    // A server that was away may have come back with other models.
    if (!reachable.value) await refreshModels();
  } catch (error) {
    if (isAbort(error)) return;
    status.value = null;
    await refreshModels();
  }
}

/** Asks for the status every two seconds, twice as often while an answer comes, never while unseen. */
export async function watchServer(): Promise<void> {
  await refreshModels();
  for (;;) {
    if (!document.hidden) await refreshStatus();
    await new Promise((resolve) => setTimeout(resolve, running.value > 0 ? 1000 : 2000));
  }
}

async function changeModel(id: string, what: 'load' | 'unload'): Promise<boolean> {
  changing.value = [...changing.value, id];
  try {
    await post(`/api/models/${what}`, {id});
    return true;
  } catch (error) {
    notify(errorText(error), {error: true});
    return false;
  } finally {
    changing.value = changing.value.filter((one) => one !== id);
    await refreshModels();
  }
}

export const loadModel = (id: string): Promise<boolean> => changeModel(id, 'load');
export const unloadModel = (id: string): Promise<boolean> => changeModel(id, 'unload');
