/**
 * Hosted sparse extents with compressed grains: streamOptimized. The tables contain the sector of each
 * grain's marker. Grains may lie in any order, and only the marker has the length of a grain. Grains that lie
 * together are read together, and inflated on all threads.
 */

import { SECTOR_BYTES } from "../../../../sector.ts";
import { cannotRead } from "../../../refusal.ts";
import type { ExtentFile } from "../extent.ts";
import { GrainExtent, type GrainExtentOptions } from "../grains/extent.ts";
import type { DeflatedGrain, InflateRoom } from "./inflate.ts";
import { MARKER_BYTES, readMarker } from "./marker.ts";

/**
 * The content that one thread inflates at a time. A thread takes 2 ms for it, and handing it over takes 0.05
 * ms.
 */
const GROUP_BYTES = 1 << 20;

/** Grains that are read together, with their numbers and places. */
interface GrainGroup {
  first: number;
  places: number[];
}

/** A compressed extent. */
export class StreamExtent extends GrainExtent {
  override readonly compressed = true;
  readonly #room: InflateRoom;
  /** The longest item: a grain with its marker. zlib's output is much shorter. */
  readonly #itemLimitBytes: number;

  constructor(file: ExtentFile, { room, ...options }: GrainExtentOptions & { room: InflateRoom }) {
    super(file, options);
    this.#room = room;
    this.#itemLimitBytes = MARKER_BYTES + 2 * this.grainBytes;
  }

  override async read(into: Uint8Array, offsetBytes: number): Promise<void> {
    const { grainBytes } = this;
    if (!this.#room.reaches(into)) {
      const shared = new Uint8Array(new SharedArrayBuffer(Math.min(into.length, GROUP_BYTES)));
      for (let done = 0; done < into.length; done += shared.length) {
        const part = shared.subarray(0, into.length - done);
        await this.read(part, offsetBytes + done);
        into.set(part, done);
      }
      return;
    }
    const work: Promise<void>[] = [];
    const endBytes = offsetBytes + into.length;
    for (let at = offsetBytes; at < endBytes;) {
      const grain = Math.floor(at / grainBytes);
      const wholeGrains = at % grainBytes === 0 ? Math.floor((endBytes - at) / grainBytes) : 0;
      const begin = at;
      if (wholeGrains === 0) {
        at = Math.min((grain + 1) * grainBytes, endBytes);
        const part = into.subarray(begin - offsetBytes, at - offsetBytes);
        work.push(this.#readPart(part, { grain, fromBytes: begin - grain * grainBytes }));
      } else {
        const group = this.#groupAt(grain, grain + wholeGrains);
        at += group.places.length * grainBytes;
        work.push(this.#readGroup(group, into.subarray(begin - offsetBytes, at - offsetBytes)));
      }
    }
    // Every part is waited for, even if one fails, because `into` is in use until then.
    await Promise.allSettled(work);
    await Promise.all(work);
  }

  /** Reads a part of a grain, or all of a last grain that is cut by the end of the disk. */
  async #readPart(
    into: Uint8Array,
    { grain, fromBytes }: { grain: number; fromBytes: number },
  ): Promise<void> {
    const room = this.#room;
    if (room.part?.owner !== this || room.part.grain !== grain) {
      room.part = { owner: this, grain, bytes: this.#readGrain(grain) };
      // The error is thrown below, and to every other caller that awaits the grain.
      room.part.bytes.catch(() => {});
    }
    const bytes = await room.part.bytes;
    into.set(bytes.subarray(fromBytes, fromBytes + into.length));
  }

  async #readGrain(grain: number): Promise<Uint8Array> {
    const bytes = new Uint8Array(new SharedArrayBuffer(this.grainBytes));
    await this.#readGroup({ first: grain, places: [this.tables.placeOf(grain)] }, bytes);
    return bytes;
  }

  /**
   * Returns the grains from `first` on, before `end`, that one read can fetch: behind each other, without
   * large gaps.
   */
  #groupAt(first: number, end: number): GrainGroup {
    const places = [this.tables.placeOf(first)];
    const most = Math.min(end - first, Math.max(1, GROUP_BYTES / this.grainBytes));
    while (places.length < most) {
      const place = this.tables.placeOf(first + places.length);
      const gap = place - places[places.length - 1];
      if (gap <= 0 || gap > this.#itemLimitBytes + SECTOR_BYTES) break;
      places.push(place);
    }
    return { first, places };
  }

  async #readGroup({ first, places }: GrainGroup, into: Uint8Array): Promise<void> {
    const { grainBytes } = this;
    const begin = places[0];
    const last = places[places.length - 1] - begin;
    const fileBytes = this.file.sizeBytes - begin;
    await this.#room.borrow(last + this.#itemLimitBytes, async (buffer) => {
      // This is nearly always enough for the last grain, too: a grain that cannot be compressed grows by a
      // few bytes.
      let readBytes = Math.min(last + grainBytes + SECTOR_BYTES, fileBytes);
      await this.file.image().readBulk(buffer.subarray(0, readBytes), begin);
      const grains: DeflatedGrain[] = [];
      for (const [i, place] of places.entries()) {
        const at = place - begin;
        const sizeBytes = this.#sizeOf(first + i, { place, marker: readMarker(buffer, at) });
        const end = at + MARKER_BYTES + sizeBytes;
        if (end > readBytes) {
          await this.file.image().readBulk(buffer.subarray(readBytes, end), begin + readBytes);
          readBytes = end;
        }
        grains.push({
          stored: buffer.subarray(at + MARKER_BYTES, end),
          into: into.subarray(i * grainBytes, (i + 1) * grainBytes),
          neededBytes: Math.min(grainBytes, this.sizeBytes - (first + i) * grainBytes),
        });
      }
      try {
        await this.#room.inflater.inflate(grains);
      } catch (cause) {
        await this.#explain(cause, { first, places, grains });
      }
    });
  }

  #sizeOf(
    grain: number,
    { place, marker: { value, sizeBytes } }: {
      place: number;
      marker: { value: bigint; sizeBytes: number };
    },
  ): number {
    const { path } = this;
    const where = { offsetBytes: place };
    if (value !== BigInt(grain) * BigInt(this.grainBytes / SECTOR_BYTES)) {
      throw cannotRead(path, `grain ${grain} is marked as sector ${value}`, where);
    }
    if (sizeBytes === 0 || sizeBytes > 2 * this.grainBytes) {
      throw cannotRead(path, `grain ${grain} has ${sizeBytes} compressed bytes`, where);
    }
    if (place + MARKER_BYTES + sizeBytes > this.file.sizeBytes) {
      throw cannotRead(path, `grain ${grain} has ${sizeBytes} compressed bytes, the file ends before`, where);
    }
    return sizeBytes;
  }

  /** Finds the grain that cannot be inflated, and throws the error for it. */
  async #explain(
    cause: unknown,
    { first, places, grains }: GrainGroup & { grains: readonly DeflatedGrain[] },
  ): Promise<never> {
    for (const [i, grain] of grains.entries()) {
      try {
        await this.#room.inflater.inflate([grain]);
      } catch (error) {
        const reason = `grain ${first + i} ${(error as Error).message}`;
        throw cannotRead(this.path, reason, { offsetBytes: places[i], cause: error });
      }
    }
    throw cause;
  }
}
