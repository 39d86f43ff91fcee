package nfc

import (
	"errors"
	"fmt"

	"vmdkbkp.test/vsphere/inventory"
	"vmdkbkp.test/vsphere/journal"
)

// openFile opens the one disk of the connection.
func (s *session) openFile(r request) error {
	if err := r.zeros(4, 16, 24, 60); err != nil {
		return err
	}
	length, kind, flags := r.u32(0), r.u32(16), r.u32(20)
	if length == 0 || length > maxPath {
		return violation("path", "the path has %d bytes", length)
	}
	if kind != 2 || (flags != 0x1E && flags != 0x1A) {
		return violation("flags", "a file of kind %d is opened with flags %#x", kind, flags)
	}
	path, err := s.extra(length)
	if err != nil {
		return err
	}
	if s.opened {
		return violation("second-open", "a second disk is opened on one connection")
	}
	if s.underWayNow() > 0 {
		return violation("did-not-wait", "a disk is opened while reads are under way")
	}
	t := s.ticket
	opened, err := s.port.Inventory.Open(t.Machine, t.Key, t.Write, string(path), flags == 0x1A)
	if err != nil {
		var refusal *inventory.Refusal
		if !errors.As(err, &refusal) {
			return err
		}
		s.log("open-refused", journal.Fields{"path": string(path), "code": refusal.Code, "text": refusal.Text})
		return s.fail(r, refusal.Code, refusal.Text, !s.settings.NoErrorReply)
	}
	s.disk, s.opened, s.handle = opened, true, s.newHandle()
	s.port.Journal.Reach("disksMost", s.port.Journal.Add("disksOpen", 1))
	s.log("open", journal.Fields{"path": string(path), "machine": t.Machine, "write": flags == 0x1A})

	answer := make([]byte, 60)
	little.PutUint64(answer[8:], s.handle)
	little.PutUint32(answer[16:], kind)
	little.PutUint32(answer[20:], flags)
	little.PutUint64(answer[28:], uint64(opened.Capacity()))
	little.PutUint32(answer[36:], 512)
	cylinders, heads, sectors := geometry(opened.Capacity())
	little.PutUint32(answer[40:], cylinders)
	little.PutUint32(answer[44:], heads)
	little.PutUint32(answer[48:], sectors)
	return s.respondOnly(r, answer)
}

func geometry(capacity int64) (cylinders, heads, sectors uint32) {
	heads, sectors = 255, 63
	n := capacity / 512 / int64(heads) / int64(sectors)
	if n > 65535 {
		n = 65535
	}
	return uint32(n), heads, sectors
}

func (s *session) newHandle() uint64 {
	if s.settings.Handles == "random" {
		return s.random.Uint64() | 1<<52 // more than a double can tell exactly
	}
	return uint64(int64(int32(s.random.Uint32() | 1<<31)))
}

func (s *session) checkHandle(handle uint64) error {
	if s.disk == nil || handle != s.handle {
		return violation("handle", "the handle is not that of an open disk")
	}
	return nil
}

func (s *session) closeFile(r request) error {
	if len(r.payload) == 16 {
		if err := r.zeros(8, 16); err != nil {
			return err
		}
	}
	if err := s.checkHandle(r.u64(0)); err != nil {
		return err
	}
	if n := s.underWayNow(); n > 0 {
		return violation("close-under-way", "the disk is closed while %d reads are under way", n)
	}
	s.release()
	s.log("close", nil)
	return s.respondOnly(r, make([]byte, len(r.payload)))
}

// release frees the disk.
func (s *session) release() {
	if s.disk != nil {
		s.disk.Close()
		s.disk = nil
		s.port.Journal.Add("disksOpen", -1)
	}
}

func (s *session) ddb(r request) error {
	if err := r.zeros(12, 16); err != nil {
		return err
	}
	length := r.u32(8)
	if length == 0 || length > 255 {
		return violation("key", "a key of %d bytes", length)
	}
	key, err := s.extra(length)
	if err != nil {
		return err
	}
	if err := s.checkHandle(r.u64(0)); err != nil {
		return err
	}
	cylinders, heads, sectors := geometry(s.disk.Capacity())
	value := map[string]string{
		"adapterType":        "lsilogic",
		"uuid":               "60 00 C2 9a 4b 1d 2a 77-0e 5c 31 8f 6a 90 11 d2",
		"geometry.cylinders": fmt.Sprint(cylinders),
		"geometry.heads":     fmt.Sprint(heads),
		"geometry.sectors":   fmt.Sprint(sectors),
	}[string(key)]
	answer := make([]byte, 16)
	little.PutUint32(answer[12:], uint32(len(value)))
	return s.respond(r, answer, []byte(value))
}

// queryAllocated answers with a bitmap of the parts that were ever written.
func (s *session) queryAllocated(r request) error {
	if err := r.zeros(8, 16, 40, 48); err != nil {
		return err
	}
	if err := s.checkHandle(r.u64(0)); err != nil {
		return err
	}
	chunk, start, count := r.u64(16), r.u64(24), r.u64(32)
	capacity := uint64(s.disk.Capacity())
	problem := ""
	switch {
	case chunk < 64<<10 || chunk%512 != 0 || chunk > 1<<40:
		problem = fmt.Sprintf("a chunk has %d bytes", chunk)
	case start%chunk != 0:
		problem = fmt.Sprintf("the start %d is not a multiple of the chunk %d", start, chunk)
	case count == 0 || count > 512<<10:
		problem = fmt.Sprintf("%d chunks are asked for", count)
	case start > capacity || count > (capacity-start)/chunk:
		problem = fmt.Sprintf("%d chunks of %d bytes at %d are beyond the capacity %d", count, chunk, start, capacity)
	}
	if problem != "" {
		s.port.Journal.Violation("allocated-range", problem, journal.Fields{"connection": s.number})
		return s.fail(r, 3, "NfcAioQueryAllocatedBlocks: "+problem, false)
	}
	bitmap := make([]byte, (count+31)/32*4)
	for _, area := range s.disk.Allocated(int64(start), int64(start+count*chunk)) {
		first := (uint64(area.Start) - start) / chunk
		last := (uint64(area.Start+area.Length) - 1 - start) / chunk
		for i := first; i <= last; i++ {
			bitmap[i/8] |= 1 << (i % 8)
		}
	}
	answer := make([]byte, 48)
	little.PutUint64(answer[32:], count)
	s.log("allocated", journal.Fields{"start": start, "chunk": chunk, "chunks": count})
	return s.respond(r, answer, bitmap)
}
