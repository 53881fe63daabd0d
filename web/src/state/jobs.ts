import {signal} from '@preact/signals';
import {get, post, request} from '../api/client';
import {readEvents} from '../api/sse';
import type {Job, JobOrder, Report} from '../api/types';
import {t} from '../i18n';
import {newestFirst} from '../logic/jobs';
import {errorText} from './errors';
import {announce, notify} from './notices';
import {refreshModels} from './server';

/** The newest first. */
export const jobs = signal<Job[]>([]);
const followed = new Set<string>();

export const isEnded = (job: Job): boolean => job.state !== 'queued' && job.state !== 'running';
/** "small.gguf" of a path. */
export const fileName = (path: string): string => path.split('/').at(-1)!;

function take(job: Job): void {
  const known = jobs.value.some((one) => one.id === job.id);
  jobs.value = known ? jobs.value.map((one) => (one.id === job.id ? job : one)) : [job, ...jobs.value];
}

/** Follows a job's events to its end; a broken connection is taken up again. */
async function follow(id: string): Promise<void> {
  if (followed.has(id)) return;
  followed.add(id);
  for (let tries = 0; tries < 30; ++tries) {
    try {
      const response = await request(`/api/jobs/${encodeURIComponent(id)}/events`);
      for await (const {data} of readEvents(response)) {
        const job = JSON.parse(data) as Job;
        tries = 0;
        take(job);
        if (!isEnded(job)) continue;
        followed.delete(id);
        if (job.state === 'done') announce(t().jobDone(fileName(job.output)));
        return refreshModels();
      }
    } catch {
      // The next try says whether the server is there again.
    }
    await new Promise((resolve) => setTimeout(resolve, 2000));
  }
  followed.delete(id);
}

export async function refreshJobs(): Promise<void> {
  try {
    const list = (await get<{jobs: Job[]}>('/api/jobs')).jobs;
    jobs.value = newestFirst(list);
    for (const job of list) if (!isEnded(job)) void follow(job.id);
  } catch {
    // The frame of the page says that the server does not answer.
  }
}

/** Throws ApiError where the server refuses. */
export async function addJob(order: JobOrder): Promise<void> {
  const {id} = await post<{id: string}>('/api/jobs', order);
  take(await get<Job>(`/api/jobs/${encodeURIComponent(id)}`));
  void follow(id);
}

/** Says what went wrong, if something does. */
async function attempt(action: () => Promise<void>): Promise<void> {
  try {
    await action();
  } catch (error) {
    notify(errorText(error), {error: true});
  }
}

export const cancelJob = (id: string): Promise<void> =>
  attempt(async () => {
    const job = await post<Job>(`/api/jobs/${encodeURIComponent(id)}/cancel`, {});
    if (job.state !== 'done' && job.state !== 'failed') notify(t().cancelled);
  });

/** Takes an ended job from the list, and what it left from the disk; a finished model stays. */
export const removeJob = (id: string, said: string): Promise<void> =>
  attempt(async () => {
    await request(`/api/jobs/${encodeURIComponent(id)}`, {method: 'DELETE'});
    jobs.value = jobs.value.filter((job) => job.id !== id);
    notify(said);
  });

export const resumeJob = (id: string): Promise<void> =>
  attempt(async () => {
    take(await post<Job>(`/api/jobs/${encodeURIComponent(id)}/resume`, {}));
    void follow(id);
  });

export const readReport = (id: string): Promise<Report> => get(`/api/jobs/${encodeURIComponent(id)}/report`);
