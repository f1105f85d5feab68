// Times ONNX Runtime on an exported model, to compare with `fasternet-train bench`.
//
// usage: node scripts/bench_ort.mjs MODEL.onnx [--batch N] [--threads N] [--seconds S] [--size N]
//
// The package onnxruntime-node is looked for from the current folder upwards (npm install
// onnxruntime-node). The last line is a JSON object. A developer's tool: nothing in the
// project depends on it.
import { createRequire } from 'node:module';
import { parseArgs } from 'node:util';

const ort = createRequire(`${process.cwd()}/`)('onnxruntime-node');
const { values, positionals: [model] } = parseArgs({
  allowPositionals: true,
  options: {
    batch: { type: 'string', default: '32' }, threads: { type: 'string', default: '2' },
    seconds: { type: 'string', default: '5' }, size: { type: 'string', default: '224' },
  },
});
const [batch, threads, seconds, size] = [values.batch, values.threads, values.seconds, values.size].map(Number);
const session = await ort.InferenceSession.create(model, {
  intraOpNumThreads: threads, interOpNumThreads: 1, executionMode: 'sequential',
  graphOptimizationLevel: 'all', executionProviders: ['cpu'],
});
const images = Float32Array.from({ length: batch * 3 * size * size }, () => 2 * Math.random() - 1);
const feeds = { input: new ort.Tensor('float32', images, [batch, 3, size, size]) };
for (let i = 0; i < 3; i++) await session.run(feeds);
const times = [];
for (const end = performance.now() + 1000 * seconds; performance.now() < end || times.length < 5;) {
  const begin = performance.now();
  await session.run(feeds);
  times.push(performance.now() - begin);
}
times.sort((a, b) => a - b);
const median = times[times.length >> 1];
console.log(JSON.stringify({
  engine: 'ONNX Runtime', model, threads, batch, img_per_s: 1000 * batch / median, median_ms: median,
  peak_rss_mib: process.resourceUsage().maxRSS / 1024,
}));
