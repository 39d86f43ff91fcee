/**
 * Returns the memory of this thread in bytes: its heap, and the buffers that it has. The memory of the process would
 * include the tests that run at the same time.
 */
export function isolateBytes(): number {
  const { heapTotal, external } = Deno.memoryUsage();
  return heapTotal + external;
}
