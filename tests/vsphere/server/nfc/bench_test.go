package nfc

import (
	"encoding/binary"
	"io"
	"testing"

	"vmdkbkp.test/vsphere/tickets"
)

// BenchmarkReads measures reads of 1 MiB, 16 under way, with a client that does not look at the bytes.
func BenchmarkReads(b *testing.B) {
	for name, compression := range map[string]uint32{"stored": 0, "zlib": 1, "skipz": 3} {
		b.Run(name, func(b *testing.B) {
			w := newWorld(b)
			w.set(`{"noReads":true}`)
			c := w.connect(opened, w.ticket(tickets.Ticket{}))
			b.SetBytes(1 << 20)
			b.ResetTimer()
			asked := 0
			ask := func() {
				c.write(c.record(7, c.readPayload(uint64(asked%8)<<20, 1<<20, compression)))
				asked++
			}
			for asked < 16 {
				ask()
			}
			extra := make([]byte, 1<<20)
			for n, bytes := 0, 0; n < b.N; {
				_, _, p := c.answer()
				if _, err := io.ReadFull(c.tls, extra[:binary.LittleEndian.Uint32(p[36:])]); err != nil {
					b.Fatal(err)
				}
				if bytes += int(binary.LittleEndian.Uint32(p[32:])); bytes == 1<<20 {
					n, bytes = n+1, 0
					ask()
				}
			}
		})
	}
}
