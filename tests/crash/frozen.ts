/** The clock and the dice stand still, so that the same command makes the same bytes twice. */

/** While it exists it is noon, and random numbers are the same ones again; {@linkcode Frozen.again} begins them anew. */
export class Frozen implements Disposable {
  readonly #scope = new DisposableStack();
  #drawn = 0;

  constructor() {
    const RealDate = globalThis.Date;
    const noon = RealDate.UTC(2024, 1, 3, 12);
    globalThis.Date = class extends RealDate {
      constructor(...args: unknown[]) {
        super(...(args.length === 0 ? [noon] : args) as [number]);
      }
    } as DateConstructor;
    const draw = crypto.getRandomValues;
    crypto.getRandomValues = (array) => {
      const bytes = new Uint8Array(array!.buffer, array!.byteOffset, array!.byteLength);
      for (let i = 0; i < bytes.length; i++) bytes[i] = Math.imul(++this.#drawn, 0x9e3779b1) >>> 24;
      return array;
    };
    this.#scope.defer(() => {
      globalThis.Date = RealDate;
      crypto.getRandomValues = draw;
    });
  }

  again(): void {
    this.#drawn = 0;
  }

  [Symbol.dispose](): void {
    this.#scope.dispose();
  }
}
