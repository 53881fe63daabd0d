import type {Model} from '../api/types';
import {locale, t} from '../i18n';
import {bytes, number, parameters, percent, signedPercent} from '../logic/format';
import {changing, loadModel, models, unloadModel} from '../state/server';
import {set} from '../state/settings';
import {takeModel} from './form_state';

function Loss({model}: {model: Model}) {
  const {figures} = model;
  if (!figures) return <span class="soft">{t().notMeasured}</span>;
  const lines: string[] = [];
  if (figures.perplexity_ratio !== undefined) {
    lines.push(t().perplexityLoss(signedPercent(figures.perplexity_ratio - 1, locale.value)));
  }
  if (figures.kld !== undefined) lines.push(t().kld(number(figures.kld, locale.value, 4)));
  if (figures.arc !== undefined && figures.base_arc !== undefined) {
    lines.push(t().arc(percent(figures.arc, locale.value, 1), percent(figures.base_arc, locale.value, 1)));
  }
  return (
    <ul class="lines" title={figures.text}>
      {lines.map((line) => (
        <li key={line}>{line}</li>
      ))}
    </ul>
  );
}

function Actions({model}: {model: Model}) {
  const busy = changing.value.includes(model.id);
  return (
    <div class="actions">
      {model.loaded && (
        <a
          class="button"
          href="#chat"
          aria-label={t().chatWithModel(model.id)}
          onClick={() => set({model: model.id})}
        >
          {t().chatWith}
        </a>
      )}
      <button
        type="button"
        disabled={busy}
        aria-label={model.loaded ? t().unloadModel(model.id) : t().loadModel(model.id)}
        onClick={() => void (model.loaded ? unloadModel(model.id) : loadModel(model.id))}
      >
        {busy ? t().loading : model.loaded ? t().unload : t().load}
      </button>
      <button type="button" aria-label={t().reduceModel(model.id)} onClick={() => takeModel(model.id)}>
        {t().reduce}
      </button>
    </div>
  );
}

function Row({model}: {model: Model}) {
  const name = (
    <th scope="row">
      <span class="model-name">{model.id}</span>
      {model.loaded && <span class="badge">{t().loaded}</span>}
      <span class="soft">
        {model.error ??
          [model.architecture, model.parameters && t().parameterCount(parameters(model.parameters, locale.value))]
            .filter(Boolean)
            .join(', ')}
      </span>
    </th>
  );
  if (model.error) {
    return (
      <tr class="broken">
        {name}
        <td colSpan={6} />
      </tr>
    );
  }
  return (
    <tr>
      {name}
      <td data-title={t().type}>{model.type}</td>
      <td data-title={t().size} class="number">
        {bytes(model.bytes ?? 0, locale.value)}
      </td>
      <td data-title={t().bits} class="number">
        {number(model.bits_per_weight ?? 0, locale.value, 2)}
      </td>
      <td data-title={t().loss}>
        <Loss model={model} />
      </td>
      <td data-title={t().speed} class="number">
        {model.tokens_per_s ? (
          `${number(model.tokens_per_s, locale.value)} ${t().tokensPerS}`
        ) : (
          <span class="soft">{t().notRun}</span>
        )}
      </td>
      <td>
        <Actions model={model} />
      </td>
    </tr>
  );
}

export function ModelTable() {
  if (models.value.length === 0) return <p class="nothing">{t().noFiles}</p>;
  return (
    <div class="table-box" tabIndex={0} role="region" aria-label={t().filesTitle}>
      <table class="model-table">
        <thead>
          <tr>
            <th scope="col">{t().file}</th>
            <th scope="col">{t().type}</th>
            <th scope="col" class="number">
              {t().size}
            </th>
            <th scope="col" class="number">
              {t().bits}
            </th>
            <th scope="col" title={t().lossHint}>
              {t().loss}
            </th>
            <th scope="col" class="number">
              {t().speed}
            </th>
            <th scope="col">{t().actions}</th>
          </tr>
        </thead>
        <tbody>
          {models.value.map((model) => (
            <Row key={model.id} model={model} />
          ))}
        </tbody>
      </table>
    </div>
  );
}
