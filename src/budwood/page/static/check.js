// For the check of an export alone, never handed on: runs what the checking process asks for, and says what came out.

import { look, open, Unread } from "./onnx.js";

async function answer(response, run) {
  const [count, size] = response.headers.get("X-Shape").split(",").map(Number);
  const resize = response.headers.get("X-Resize");
  if (resize) return look(run, await response.blob(), { shape: [null, size, size, 3], resize });
  return run(new Float32Array(await response.arrayBuffer()), count, size);
}

async function main() {
  const run = await open();
  await fetch("check/ready", { method: "POST", body: navigator.userAgent });
  for (;;) {
    const response = await fetch("check/next");
    if (response.status === 204) return;
    try {
      const { probabilities, distances } = await answer(response, run);
      const body = new Float32Array([...probabilities, ...(distances ?? [])]);
      await fetch(distances ? "check/both" : "check/answer", { method: "POST", body });
    } catch (error) {
      const kind = error instanceof Unread ? "unread" : "failed";
      await fetch(`check/${kind}`, { method: "POST", body: String(error.message ?? error) });
    }
  }
}

main().catch((error) => fetch("check/failed", { method: "POST", body: String(error.message ?? error) }));
