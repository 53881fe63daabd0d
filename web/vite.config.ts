import {defineConfig} from 'vite';

// NIBBLE_URL: the server that `npm run dev` asks; the mock's address by default.
const server = (globalThis as {process?: {env: Record<string, string>}}).process?.env.NIBBLE_URL ?? 'http://127.0.0.1:8081';

export default defineConfig({
  esbuild: {jsx: 'automatic', jsxImportSource: 'preact'},
  build: {
    target: 'es2021',
    // The polyfill would be one more script; every browser of the target preloads modules.
    modulePreload: {polyfill: false},
    // Nothing becomes a data: address, so that the policy needs no exception.
    assetsInlineLimit: 0,
    chunkSizeWarningLimit: 250,
  },
  server: {proxy: Object.fromEntries(['/api', '/v1', '/health'].map((path) => [path, server]))},
});
