// A stand-in for `nibble serve`: the same paths and shapes, invented answers. For `npm run dev` and the tests.
//   node tests/mock/server.mjs [--port 8081] [--key KEY] [--dist dist] [--speed 1]
import {createReadStream, existsSync, statSync} from 'node:fs';
import {randomBytes} from 'node:crypto';
import {createServer} from 'node:http';
import {extname, join, normalize} from 'node:path';
import {fileURLToPath} from 'node:url';
import {parseArgs} from 'node:util';
import {gzipSync} from 'node:zlib';
import {readFileSync} from 'node:fs';
import {answerText, models, report} from './data.mjs';

/** As the server sends it. */
const POLICY =
  "default-src 'self'; img-src 'self' data: blob:; base-uri 'none'; form-action 'none'; frame-ancestors 'none'; " +
  "object-src 'none'";
const TYPES = {'.html': 'text/html; charset=utf-8', '.js': 'text/javascript', '.css': 'text/css', '.svg': 'image/svg+xml'};

const sleep = (ms) => new Promise((resolve) => setTimeout(resolve, ms));

/** Starts the mock; `speed` divides every wait. Resolves to {url, close, requests, fail}. */
export async function startMock({port = 0, key = '', dist, speed = 1} = {}) {
  const state = {
    models: structuredClone(models),
    jobs: [],
    watchers: new Map(),
    active: 0,
    total: 0,
    /** Bodies of chat requests, for the tests. */
    requests: [],
    /** Set by a test: the next chat request fails in this way: 'status' | 'midway' | 'cut'. */
    fail: null,
    /** Set by a test with 'cut': the answer has been seen, and may break. */
    seen: false,
    /** Set by a test: jobs wait behind this one of their 20 steps until it is taken back, so that there is time to look. */
    lastStep: Infinity,
  };

  const json = (response, status, body) => {
    response.writeHead(status, {'Content-Type': 'application/json'});
    response.end(JSON.stringify(body));
  };
  const error = (response, status, message, param = null, code = null) =>
    json(response, status, {error: {message, type: 'invalid_request_error', param, code}});
  const event = (response, body) => response.write(`data: ${JSON.stringify(body)}\n\n`);
  const beginEvents = (response) => response.writeHead(200, {'Content-Type': 'text/event-stream', 'Cache-Control': 'no-store'});

  function beamsAreWrong(body) {
    const {num_beams: beams = 1, num_beam_groups: groups = 1, diversity_penalty: diversity = 0, n = 1} = body;
    if (beams % groups !== 0) return `num_beams ${beams} cannot be divided into num_beam_groups ${groups}: make it a multiple`;
    if (groups > 1 && body.temperature !== 0) return `num_beam_groups is ${groups}, but groups of beams take no random samples: use greedy decoding`;
    if (groups > 1 && diversity === 0) return `num_beam_groups is ${groups}, but diversity_penalty is 0`;
    if (beams > 1 && n > beams) return `num_return_sequences is ${n}, but there are only num_beams ${beams} answers to return`;
    return null;
  }

  async function chat(body, request, response) {
    state.requests.push(body);
    state.total++;
    const wrong = beamsAreWrong(body);
    if (wrong) return error(response, 400, wrong);
    const model = state.models.find((m) => m.loaded && (!body.model || m.id === body.model));
    if (!model) return error(response, 404, `there is no loaded model '${body.model}'`, 'model', 'model_not_found');
    const fail = state.fail;
    state.fail = null;
    if (fail === 'status') return error(response, 429, 'too many requests wait already: try again in a moment', null, 'queue_full');
    const {n = 1, num_beams: beams = 1} = body;
    const tokens = Array.from({length: n}, (_, i) => answerText(body.messages, model.id, i).match(/\s*\S+|\s+$/g));
    let gone = false;
    request.socket.on('close', () => (gone = true));
    response.on('close', () => (gone = true));
    beginEvents(response);
    state.active++;
    const head = {id: 'chatcmpl-1', object: 'chat.completion.chunk', model: model.id};
    const piece = (index, delta, reason = null) =>
      event(response, {...head, choices: [{index, delta, finish_reason: reason}], usage: null});
    for (let i = 0; i < n; ++i) piece(i, {role: 'assistant', content: ''});
    await sleep(120 / speed);
    const limit = Math.min(body.max_tokens ?? 1e9, Math.max(...tokens.map((t) => t.length)));
    if (beams > 1) {
      // A beam search has nothing to show before it ends.
      await sleep(400 / speed);
      for (let i = 0; i < n && !gone; ++i) piece(i, {content: tokens[i].slice(0, limit).join('')});
    } else {
      for (let k = 0; k < limit && !gone; ++k) {
        for (let i = 0; i < n; ++i) if (tokens[i][k]) piece(i, {content: tokens[i][k]});
        if (k === 4 && fail === 'midway') {
          event(response, {error: {message: 'the server is shutting down: the answer is not complete', type: 'server_error', param: null, code: 'shutting_down'}});
          gone = true;
          response.end();
        }
        if (k === 4 && fail === 'cut') {
          // The browser has read the beginning by then: to it an answer breaks, not a request.
          while (!state.seen && !gone) {
            piece(0, {content: ' '}); // the page draws what has come when more comes
            await sleep(20);
          }
          response.destroy();
        }
        await sleep(28 / speed);
      }
      // A long answer ends when it is stopped, however long the test takes.
      while (!gone && /long/.test(body.messages.at(-1).content)) await sleep(20);
    }
    state.active--;
    if (gone) return;
    const cut = tokens[0].length > limit;
    for (let i = 0; i < n; ++i) piece(i, {}, cut ? 'length' : 'stop');
    const prompt = Math.round(JSON.stringify(body.messages).length / 4);
    const count = tokens.reduce((sum, t) => sum + Math.min(t.length, limit), 0);
    const usage = {prompt_tokens: prompt, completion_tokens: count, total_tokens: prompt + count};
    const timings = {
      queue_s: 0.004, prefill_s: 0.12, decode_s: count / 34, prefill_tokens_per_s: 410, decode_tokens_per_s: 34.2,
      cached_tokens: body.messages.length > 2 ? Math.round(prompt / 2) : 0, drafted: 0, accepted: 0,
    };
    event(response, {...head, choices: [], usage, timings});
    response.end('data: [DONE]\n\n');
  }

  // Jobs

  const shown = ({options, ...job}) => job;
  const isEnded = (job) => job.state !== 'queued' && job.state !== 'running';
  const runs = new Map(); // a job's own run, until it is cancelled
  function changed(job) {
    for (const response of state.watchers.get(job.id) ?? []) {
      event(response, shown(job));
      if (isEnded(job)) response.end();
    }
    if (isEnded(job)) state.watchers.delete(job.id);
  }

  async function runJob(job) {
    const run = Symbol(job.id);
    runs.set(job.id, run);
    await sleep(300 / speed);
    for (let i = 0; i <= 20 && runs.get(job.id) === run; ++i) {
      while (i > state.lastStep && runs.get(job.id) === run) await sleep(20);
      if (runs.get(job.id) !== run) return;
      Object.assign(job, {
        state: 'running',
        progress: i < 2 ? null : i / 20,
        message: i < 10 ? 'error of each format, layer ' + i : 'quantize to OPTIMIZED, blk.' + i,
        eta_s: i < 2 ? null : (20 - i) * 3,
      });
      changed(job);
      await sleep(250 / speed);
    }
    if (runs.get(job.id) !== run) return;
    Object.assign(job, {state: 'done', progress: 1, message: '', eta_s: 0});
    const base = state.models.find((m) => m.id === job.model);
    const id = job.output.replace(/\.gguf$/, '');
    state.models.push({...base, id, path: `/models/${job.output}`, loaded: false, tokens_per_s: null, type: 'Q4_K', bits_per_weight: 4.9, bytes: 91_000_000, figures: {kld: 0.0212, perplexity_ratio: 1.009, arc: 0.525, base_arc: 0.531}});
    changed(job);
  }

  function addJob(order, response) {
    if (state.models.some((m) => m.path.endsWith(`/${order.output}.gguf`))) {
      return error(response, 409, `${order.output}.gguf is there already: choose another name`, 'output');
    }
    // As the server's: ids say nothing of the time, and several jobs may be of one second.
    const id = `job-${randomBytes(8).toString('hex')}`;
    const job = {id, kind: order.kind, model: order.model, state: 'queued', progress: null, message: '', eta_s: null, error: null, resumable: false, output: `${order.output}.gguf`, created: Math.floor(Date.now() / 1000), options: order.options};
    if (order.options.type === 'q2_k') {
      Object.assign(job, {state: 'failed', error: 'blk.3.ffn_down.weight: rows of 576 do not divide by 256: choose another type'});
    } else {
      void runJob(job);
    }
    state.jobs.push(job);
    return json(response, 201, {id});
  }

  function jobRequest(parts, request, response) {
    const job = state.jobs.find((one) => one.id === parts[0]);
    if (!job) return error(response, 404, `there is no job ${parts[0]}`);
    if (request.method === 'DELETE') {
      if (!isEnded(job)) return error(response, 409, `the job is ${job.state}: cancel it before it is deleted`, 'id');
      state.jobs.splice(state.jobs.indexOf(job), 1);
      return json(response, 200, shown(job));
    }
    if (parts[1] === 'cancel') {
      if (!isEnded(job)) {
        runs.delete(job.id);
        Object.assign(job, {state: 'cancelled', resumable: job.progress !== null});
        changed(job);
      }
      return json(response, 200, shown(job));
    }
    if (parts[1] === 'resume') {
      Object.assign(job, {state: 'queued', resumable: false, error: null});
      void runJob(job);
      return json(response, 200, shown(job));
    }
    if (parts[1] === 'report') return json(response, 200, report(job));
    if (parts[1] !== 'events') return json(response, 200, shown(job));
    beginEvents(response);
    state.watchers.set(job.id, [...(state.watchers.get(job.id) ?? []), response]);
    return changed(job);
  }

  // The page

  function sendFile(path, request, response) {
    const file = join(dist, normalize(path === '/' ? '/index.html' : path));
    if (!dist || !file.startsWith(dist) || !existsSync(file) || !statSync(file).isFile()) {
      return error(response, 404, `there is no ${path}`);
    }
    const headers = {'Content-Type': TYPES[extname(file)] ?? 'application/octet-stream', 'Content-Security-Policy': POLICY};
    if (!/gzip/.test(request.headers['accept-encoding'] ?? '')) {
      response.writeHead(200, headers);
      return createReadStream(file).pipe(response);
    }
    response.writeHead(200, {...headers, 'Content-Encoding': 'gzip'});
    return response.end(gzipSync(readFileSync(file)));
  }

  async function api(path, query, body, request, response) {
    if (path === '/v1/chat/completions') return chat(body, request, response);
    if (path === '/api/models') return json(response, 200, {models: state.models});
    if (path === '/api/status') {
      const model = state.models.find((m) => m.loaded && m.id === query.get('model'));
      if (!model) return error(response, 404, 'no such model is loaded', 'model');
      return json(response, 200, {
        model: model.id, context: 8192, active: state.active, queued: 0, requests_total: state.total,
        memory: {weights: model.bytes, cache: 402_653_184, cache_used: 31_000_000, resident: model.bytes + 78_000_000},
        tokens_per_s: state.total > 0 ? 34.2 : 0,
      });
    }
    const change = /^\/api\/models\/(load|unload)$/.exec(path);
    if (change) {
      const model = state.models.find((m) => m.id === body.id);
      if (!model) return error(response, 404, `there is no model ${body.id}`, 'id');
      await sleep(300 / speed);
      model.loaded = change[1] === 'load';
      return json(response, 200, {id: model.id, loaded: model.loaded});
    }
    if (path === '/api/jobs') return request.method === 'POST' ? addJob(body, response) : json(response, 200, {jobs: state.jobs.map(shown)});
    if (path.startsWith('/api/jobs/')) return jobRequest(path.slice(10).split('/'), request, response);
    return error(response, 404, `there is no ${path}`);
  }

  const server = createServer(async (request, response) => {
    const {pathname, searchParams} = new URL(request.url, 'http://localhost');
    if (!/^\/(api|v1)\//.test(pathname)) return sendFile(pathname, request, response);
    if (key && request.headers.authorization !== `Bearer ${key}`) return error(response, 401, 'this server wants an API key', null, 'invalid_api_key');
    let text = '';
    for await (const chunk of request) text += chunk;
    try {
      await api(pathname, searchParams, text ? JSON.parse(text) : {}, request, response);
    } catch (problem) {
      console.error(problem);
      response.destroy();
    }
  });
  await new Promise((resolve) => server.listen(port, '127.0.0.1', resolve));
  return {
    url: `http://127.0.0.1:${server.address().port}`,
    state,
    close: () => {
      runs.clear();
      server.closeAllConnections();
      return new Promise((resolve) => server.close(resolve));
    },
  };
}

if (process.argv[1] === fileURLToPath(import.meta.url)) {
  const {values} = parseArgs({options: {port: {type: 'string', default: '8081'}, key: {type: 'string'}, dist: {type: 'string', default: fileURLToPath(new URL('../../dist', import.meta.url))}, speed: {type: 'string', default: '1'}}});
  const mock = await startMock({...values, port: Number(values.port), speed: Number(values.speed)});
  console.log(mock.url);
}
