import {t} from '../i18n';
import {announcement, dismiss, notices} from '../state/notices';
import {IconButton} from './button';

export function Notices() {
  return (
    <>
      <div class="notices" role="status">
        {notices.value.map((notice) => (
          <div key={notice.id} class={notice.error ? 'notice error' : 'notice'}>
            <span>{notice.text}</span>
            {notice.action && (
              <button
                type="button"
                onClick={() => {
                  notice.action!.run();
                  dismiss(notice.id);
                }}
              >
                {notice.action.label}
              </button>
            )}
            <IconButton icon="close" label={t().close} onClick={() => dismiss(notice.id)} />
          </div>
        ))}
      </div>
      <div class="unseen" role="status" aria-live="polite">
        {announcement.value}
      </div>
    </>
  );
}
