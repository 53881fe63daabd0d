import {computed, signal} from '@preact/signals';
import {t} from '../i18n';
import {sizeBound} from '../logic/pareto';
import {EMPTY_FORM, type JobForm} from '../logic/job_form';
import {announce} from '../state/notices';
import {models} from '../state/server';

const typed = signal<JobForm>(EMPTY_FORM);

/** The form, with the first file at hand where none was chosen. */
export const form = computed<JobForm>(() => {
  const known = models.value.filter((model) => !model.error);
  const chosen = known.find((model) => model.id === typed.value.model) ?? known[0];
  return {...typed.value, model: chosen?.id ?? ''};
});

export function setForm(changes: Partial<JobForm>): void {
  typed.value = {...form.value, ...changes};
}

function show(field: string): void {
  const element = document.getElementById(field);
  element?.scrollIntoView({block: 'center'});
  element?.focus({preventScroll: true});
}

export function takeModel(id: string): void {
  setForm({model: id, output: ''});
  show('job-model');
}

/** A point of the Pareto plot becomes the bound of a new job. */
export function takePoint(model: string, bytes: number): void {
  const bound = sizeBound(bytes);
  setForm({...EMPTY_FORM, model, max_size: bound});
  announce(t().pointTaken(bound));
  show('max_size');
}
