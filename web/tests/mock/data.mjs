// What the mock says and has.

const model = (id, more) => ({
  id, path: `/models/${id}.gguf`, architecture: 'llama', parameters: 134_515_008, context: 8192, loaded: false,
  figures: null, tokens_per_s: null, ...more,
});

export const models = [
  model('smollm2-q4_1', {bytes: 91_700_000, bits_per_weight: 5.45, type: 'Q4_1', loaded: true, tokens_per_s: 34.2}),
  model('smollm2-f32', {bytes: 540_000_000, bits_per_weight: 32, type: 'F32'}),
  model('smollm2-optimized-90MB', {
    bytes: 88_200_000, bits_per_weight: 5.24, type: 'Q4_K', loaded: true, tokens_per_s: 36.8,
    figures: {kld: 0.0113, kld_stderr: 0.0004, perplexity: 15.31, perplexity_ratio: 1.0046, arc: 0.529, base_arc: 0.531, text: 'wiki.test.raw, 20 chunks of 512 tokens'},
  }),
  {id: 'unfinished', path: '/models/unfinished.gguf', loaded: false, tokens_per_s: null, error: 'unfinished.gguf: the file ends within tensor blk.11.ffn_up.weight: copy it again'},
];

const ANSWERS = [
  `A half-precision number keeps **11 bits** of what it says; a 4-bit weight keeps its *place on a grid*. Three things follow:

1. The grid should be where the weights are.
2. Each group of weights has a scale of its own.
3. What rounding breaks in one weight, others can mend.

\`\`\`python
def quantize(weights, group=32):
    for block in weights.reshape(-1, group):
        scale = abs(block).max() / 7
        yield scale, (block / scale).round().clip(-8, 7)
\`\`\`

| type | bits per weight | loss |
| --- | ---: | ---: |
| Q8_0 | 8.5 | +0.1% |
| Q4_K | 4.5 | +1.9% |

Smaller is not always worse: see \`nibble optimize\`.`,
  `Think of a ruler. A fine one measures each weight to a hair; a coarse one only to the nearest mark. **Quantization** takes the coarse ruler, and chooses *where its marks are* so that little is lost.

- Fewer marks, less memory.
- Less memory to read, more tokens a second.`,
  `Quantization stores each weight in few bits. A scale, shared by a group of neighbours, says what those bits are worth.`,
  `In short: round every weight to one of sixteen values, and remember for every thirty-two of them how far apart those values are.`,
];

export function answerText(messages, model, choice) {
  const said = messages.at(-1).content;
  if (/translate|перевед/i.test(messages[0].content + said)) {
    return ['Модель стала меньше, но отвечает почти так же хорошо.', 'Модель уменьшилась, а ответы её почти не хуже.', 'Модель теперь меньше, однако отвечает почти столь же хорошо.', 'Модель меньше, а отвечает почти так же.'][choice % 4];
  }
  if (/markup/.test(said)) return 'Text <img src=x onerror="alert(1)"> and <script>alert(2)</script> [link](javascript:alert(3)) ![pixel](https://example.org/p.png)';
  if (/long/.test(said)) return Array.from({length: 400}, (_, i) => `word${i}`).join(' ');
  const start = /optimized/.test(model) ? 1 : 0;
  return ANSWERS[(start + choice) % ANSWERS.length];
}

/** As report.json of `nibble optimize`. */
export function report(job) {
  const rest = 1_900_000;
  const front = Array.from({length: 60}, (_, i) => {
    const bytes = 58_000_000 + i * 1_450_000;
    return [bytes, 0.9 * Math.exp(-i / 11) + 0.0006];
  });
  const step = (i, kld, broken = null) => ({
    predicted: {bytes: front[i][0], kld: front[i][1], seconds_per_token: 0.027}, file_bytes: front[i][0] + rest,
    memory_bytes: front[i][0] + 80_000_000, bits_per_weight: (front[i][0] * 8) / 134_515_008, kld, kld_stderr: kld / 20,
    perplexity: 15.4, base_perplexity: 15.2, perplexity_loss: kld * 0.8, perplexity_loss_95: kld, top1_agreement: 0.93,
    tokens_per_s: 48 - i / 3, broken,
  });
  const steps = [step(22, front[22][1] * 1.3, 'max_loss'), step(31, front[31][1] * 1.12), step(28, front[28][1] * 1.18)];
  return {model: `/models/${job.model}.gguf`, output: job.output, bounds: {}, picked: 2, steps, front};
}
