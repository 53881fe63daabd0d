import {useState} from 'preact/hooks';
import type {Job, Report} from '../api/types';
import {t} from '../i18n';
import {duration} from '../logic/format';
import {paretoPoints} from '../logic/pareto';
import {errorText} from '../state/errors';
import {cancelJob, fileName, isEnded, jobs, readReport, removeJob, resumeJob} from '../state/jobs';
import {notify} from '../state/notices';
import {takePoint} from './form_state';
import {ParetoPlot} from './pareto_plot';

function Progress({job}: {job: Job}) {
  const left = job.eta_s !== null && job.eta_s > 0 ? duration(job.eta_s) : '';
  // The bar and the time of an optimize job are those of one of its steps, and begin anew with the next.
  const steps = job.kind === 'optimize';
  const facts = [
    job.message && (steps ? t().step(job.message) : job.message),
    left && (steps ? t().timeLeftInStep(left) : t().timeLeft(left)),
  ];
  return (
    <>
      {/* Without a value the bar says that work is under way, and no more. */}
      <progress
        max={1}
        {...(job.progress === null ? {} : {value: job.progress})}
        aria-label={`${t().progress}: ${fileName(job.output)}`}
      />
      <p class="hint">{facts.filter(Boolean).join(' · ')}</p>
    </>
  );
}

function TradeOff({job}: {job: Job}) {
  const [report, setReport] = useState<Report | null>(null);
  const toggle = async () => {
    try {
      setReport(report ? null : await readReport(job.id));
    } catch (error) {
      notify(errorText(error), {error: true});
    }
  };
  return (
    <>
      <button type="button" aria-expanded={report !== null} onClick={() => void toggle()}>
        {report ? t().hideReport : t().showReport}
      </button>
      {report && <ParetoPlot points={paretoPoints(report)} onPick={(point) => takePoint(job.model, point.bytes)} />}
    </>
  );
}

/** For a job that has ended. */
function Remove({job}: {job: Job}) {
  const output = fileName(job.output);
  const [label, name, said] = job.resumable
    ? [t().discard, t().discardJob(output), t().discarded]
    : [t().remove, t().removeJob(output), t().removed];
  return (
    <button type="button" aria-label={name} onClick={() => void removeJob(job.id, said)}>
      {label}
    </button>
  );
}

/** For one that was cancelled or failed. */
function Unfinished({job}: {job: Job}) {
  return (
    <>
      {job.resumable && <p class="hint">{t().jobKept}</p>}
      <button type="button" aria-label={t().resumeJob(fileName(job.output))} onClick={() => void resumeJob(job.id)}>
        {t().resume}
      </button>
    </>
  );
}

function JobItem({job}: {job: Job}) {
  const output = fileName(job.output);
  return (
    <li class={`job ${job.state}`}>
      <div class="job-head">
        <b>{t().jobTitle(t()[job.kind], job.model, output)}</b>
        <span class={`badge ${job.state}`}>{t().jobState[job.state]}</span>
        {!isEnded(job) && (
          <button type="button" aria-label={t().cancelJob(output)} onClick={() => void cancelJob(job.id)}>
            {t().cancel}
          </button>
        )}
      </div>
      {job.state === 'running' && <Progress job={job} />}
      {job.error && <p class="problem error">{job.error}</p>}
      {(job.state === 'cancelled' || job.state === 'failed') && <Unfinished job={job} />}
      {isEnded(job) && <Remove job={job} />}
      {job.state === 'done' && job.kind === 'optimize' && <TradeOff job={job} />}
    </li>
  );
}

export function JobList() {
  return (
    <section class="jobs" aria-labelledby="jobs">
      <h2 id="jobs">{t().jobs}</h2>
      {jobs.value.length === 0 && <p class="nothing">{t().noJobs}</p>}
      <ul>
        {jobs.value.map((job) => (
          <JobItem key={job.id} job={job} />
        ))}
      </ul>
    </section>
  );
}
