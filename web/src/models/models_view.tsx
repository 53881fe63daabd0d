import {useEffect} from 'preact/hooks';
import {t} from '../i18n';
import {refreshJobs} from '../state/jobs';
import {refreshModels} from '../state/server';
import {JobFormView} from './job_form';
import {JobList} from './job_list';
import {ModelTable} from './model_table';

export function ModelsView() {
  useEffect(() => {
    void refreshModels();
    void refreshJobs();
  }, []);
  return (
    <main id="content" class="models-view" tabIndex={-1}>
      <div>
        <h1 id="files">{t().filesTitle}</h1>
        <p class="under">{t().filesText}</p>
        <ModelTable />
      </div>
      <div class="work">
        <JobFormView />
        <JobList />
      </div>
    </main>
  );
}
