import {useState} from 'preact/hooks';
import {locale, t} from '../i18n';
import {bytes, number} from '../logic/format';
import {logTicks, nearest, thin, ticks, type ParetoPoint} from '../logic/pareto';

const WIDTH = 560;
const HEIGHT = 320;
const BOX = {left: 62, right: WIDTH - 16, top: 26, bottom: HEIGHT - 44};
/** Points of the predicted front that can be told apart, and reached with the Tab key in reasonable time. */
const MOST_PREDICTED = 24;

/** Size along, loss up on a logarithmic scale: losses span orders of magnitude. */
function scales(points: ParetoPoint[]) {
  const sizes = points.map((p) => p.bytes);
  const losses = points.map((p) => p.kld).filter((kld) => kld > 0);
  const margin = (Math.max(...sizes) - Math.min(...sizes)) * 0.04 || Math.max(...sizes) * 0.05;
  const [low, high] = [Math.min(...sizes) - margin, Math.max(...sizes) + margin];
  const [best, worst] = [Math.min(...losses) / 1.25, Math.max(...losses) * 1.25];
  const x = (value: number) => BOX.left + ((value - low) / (high - low)) * (BOX.right - BOX.left);
  const y = (value: number) =>
    BOX.bottom - (Math.log(Math.max(value, best) / best) / Math.log(worst / best)) * (BOX.bottom - BOX.top);
  return {x, y, xTicks: ticks(low, high, 5), yTicks: logTicks(best, worst)};
}

function Axes({x, y, xTicks, yTicks}: ReturnType<typeof scales>) {
  return (
    <g aria-hidden="true">
      {yTicks.map((value) => (
        <g key={value}>
          <line class="plot-grid" x1={BOX.left} x2={BOX.right} y1={y(value)} y2={y(value)} />
          <text class="plot-text" x={BOX.left - 8} y={y(value) + 4} text-anchor="end">
            {number(value, locale.value, 6)}
          </text>
        </g>
      ))}
      <line class="plot-axis" x1={BOX.left} x2={BOX.right} y1={BOX.bottom} y2={BOX.bottom} />
      {xTicks.map((value) => (
        <text key={value} class="plot-text" x={x(value)} y={BOX.bottom + 18} text-anchor="middle">
          {bytes(value, locale.value)}
        </text>
      ))}
      <text class="plot-text" x={BOX.left - 52} y={14}>
        {t().axisLoss}
      </text>
      <text class="plot-text" x={BOX.right} y={HEIGHT - 6} text-anchor="end">
        {t().axisSize}
      </text>
    </g>
  );
}

function describe(point: ParetoPoint): string {
  const kld = number(point.kld, locale.value, point.kld < 0.01 ? 5 : 4);
  const facts = [t().pointLabel(t().legend[point.kind], bytes(point.bytes, locale.value), kld)];
  if (point.tokensPerS) facts.push(`${number(point.tokensPerS, locale.value)} ${t().tokensPerS}`);
  if (point.broken) facts.push(t().pointBroken(point.broken));
  return facts.join(', ');
}

/** Where the mouse is, in the plot's own units. */
function pointer(event: MouseEvent): [number, number] {
  const svg = (event.currentTarget as SVGElement).ownerSVGElement ?? (event.currentTarget as SVGElement);
  const box = svg.getBoundingClientRect();
  return [((event.clientX - box.left) / box.width) * WIDTH, ((event.clientY - box.top) / box.height) * HEIGHT];
}

interface Props {
  points: ParetoPoint[];
  onPick: (point: ParetoPoint) => void;
}

export function ParetoPlot({points, onPick}: Props) {
  const [shown, setShown] = useState<ParetoPoint | null>(null);
  const [hovered, setHovered] = useState<ParetoPoint | null>(null);
  const front = points.filter((point) => point.kind === 'predicted');
  const built = points.filter((point) => point.kind !== 'predicted');
  if (points.every((point) => point.kld <= 0)) return null;
  const scale = scales(points);
  const drawn = [...thin(front, MOST_PREDICTED), ...built];
  // Targets overlap: the one above is not always the one that is meant.
  const at = (event: MouseEvent, own: ParetoPoint) => {
    if (event.detail === 0 && event.type === 'click') return own; // not from a pointer
    return nearest(drawn, (p) => [scale.x(p.bytes), scale.y(p.kld)], ...pointer(event)) ?? own;
  };
  const hover = (point: ParetoPoint) => {
    setHovered(point);
    setShown(point);
  };
  const line = front.map((p) => `${scale.x(p.bytes)},${scale.y(p.kld)}`).join(' ');
  return (
    <figure class="plot">
      <figcaption>
        <b>{t().paretoTitle}</b>
        <span class="hint">{t().paretoText}</span>
      </figcaption>
      <svg viewBox={`0 0 ${WIDTH} ${HEIGHT}`} role="group" aria-label={t().paretoTitle}>
        <Axes {...scale} />
        <polyline class="plot-curve" points={line} />
        {drawn.map((point, i) => (
          <g
            key={i}
            class={`plot-point ${point.kind}${point === hovered ? ' hovered' : ''}`}
            role="button"
            tabIndex={0}
            aria-label={describe(point)}
            onMouseMove={(event) => hover(at(event, point))}
            onMouseLeave={() => setHovered(null)}
            onFocus={() => setShown(point)}
            onClick={(event) => onPick(at(event, point))}
            onKeyDown={(event) => {
              if (event.key !== 'Enter' && event.key !== ' ') return;
              event.preventDefault();
              onPick(point);
            }}
          >
            <circle class="plot-target" cx={scale.x(point.bytes)} cy={scale.y(point.kld)} r={12} />
            <circle
              class="plot-mark"
              cx={scale.x(point.bytes)}
              cy={scale.y(point.kld)}
              r={point.kind === 'predicted' ? 4 : 6}
            />
          </g>
        ))}
      </svg>
      <ul class="legend" aria-hidden="true">
        {(['predicted', 'measured', 'picked'] as const)
          .filter((kind) => points.some((point) => point.kind === kind))
          .map((kind) => (
            <li key={kind} class={kind}>
              {t().legend[kind]}
            </li>
          ))}
      </ul>
      <p class="plot-shown" aria-hidden="true">
        {shown ? describe(shown) : '\u00a0'}
      </p>
    </figure>
  );
}
